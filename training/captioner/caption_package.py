"""Write the artefact of a captioner, choose how it searches, and measure it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from keras import ops

from core.heads.captions import CaptionSettings
from training.captioner.caption_measure import measure_captions
from training.captioner.caption_plan import CaptionPlan
from training.captioner.caption_run import CaptionRun
from training.common.captions.caption_scores import caption_scores
from training.common.captions.caption_search import decode_grids
from training.common.captions.decoder import Decoder
from training.common.experiment import Experiment
from training.common.export import write_parts
from training.common.graph_runner import graph_parts
from training.common.package import complete_artefact
from training.encoder.encoder_package import photo_preprocessing

WORDS = "words.txt"
FILES = ("graph.pb", WORDS)
PENALTIES = (0.8, 1.0, 1.3, 1.6)
LICENCE = "weights: see the card; learnt from a research data set"


def package_captioner(run: CaptionRun, experiment: Experiment[CaptionPlan], folder: Path, data: Path) -> None:
    """Write graph, vocabulary, card and manifest of a run that is trained.

    The test split is read here and nowhere before; the length penalty is chosen on the validation photos. The encoder's
    artefact has to lie beside `folder`, or in models/.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_decoder(folder / "graph.pb", run.decoder, run.grid_shape)
    (folder / WORDS).write_text("\n".join(run.words) + "\n", encoding="utf-8")
    settings = _best_search(folder, run)
    encoder = f"{run.encoder.name}@{run.encoder.version}"
    fields = manifest_fields(experiment, run.decoder, run.grid_shape, settings, encoder)
    complete_artefact(folder, fields, FILES, lambda: measure_captions(folder, data))


def write_decoder(path: Path, decoder: Decoder, grid: Sequence[int]) -> None:
    """Write the decoder as a graph of two parts: what it makes of a grid, and one word further."""
    entry, beams = decoder.entry, (None, None)

    def call(given: Any) -> dict[str, Any]:
        logits, new = decoder.step(given["tokens"], given["position"], given["cache"], given["memory"])
        encoded = decoder.encode(given["grid"])
        return {"encoded": encoded, "log_probabilities": ops.log_softmax(logits), "entry": new}

    inputs: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "grid": ("float32", (None, *grid)),
        "tokens": ("int32", beams),
        "position": ("int32", (1,)),
        "cache": ("float32", (*beams, decoder.positions, entry)),
        "memory": ("float32", (None, decoder.cells, entry)),
    }
    write_parts(path, call, inputs)


def manifest_fields(
    experiment: Experiment[CaptionPlan], decoder: Decoder, grid: Sequence[int], settings: CaptionSettings, encoder: str
) -> dict[str, Any]:
    """The manifest's fields but for metrics and files."""
    entry, cells = decoder.entry, decoder.cells

    def floats(*shape: int | None) -> dict[str, Any]:
        return {"dtype": "float32", "shape": list(shape)}

    return {
        "name": experiment.name,
        "version": experiment.version,
        "task": "caption",
        "kind": "captioner",
        "summary": experiment.summary,
        "graph": "graph.pb",
        "encoders": {"image": encoder},
        "settings": settings.model_dump(mode="json"),
        "preprocessing": photo_preprocessing(),
        "inputs": {
            "grid": floats(None, *grid),
            "tokens": {"dtype": "int32", "shape": [None, None]},
            "position": {"dtype": "int32", "shape": [1]},
            "cache": floats(None, None, decoder.positions, entry),
            "memory": floats(None, cells, entry),
        },
        "outputs": {
            "encoded": floats(None, cells, entry),
            "log_probabilities": floats(None, None, decoder.vocabulary),
            "entry": floats(None, None, entry),
        },
        "licence": LICENCE,
        "source": "Flickr8k (Hodosh, Young and Hockenmaier, 2013)",
    }


def _best_search(folder: Path, run: CaptionRun) -> CaptionSettings:
    """The length penalty that gives the best sum of BLEU-1, BLEU-4 and CIDEr on the validation photos."""
    parts, photos = graph_parts(folder / "graph.pb"), run.encoder_run.validation
    best: tuple[float, CaptionSettings] | None = None
    for penalty in PENALTIES:
        settings = CaptionSettings(
            words=WORDS, most_words=run.decoder.positions - 1, entry=run.decoder.entry, length_penalty=penalty
        )
        scores = caption_scores(
            decode_grids(parts, run.validation_grids, run.words, settings), [photo.captions for photo in photos]
        )
        print(f"validation, length penalty {penalty}: {scores}")
        value = scores["bleu_1"] + scores["bleu_4"] + scores["cider"]
        if best is None or value > best[0]:
            best = value, settings
    assert best is not None
    return best[1]
