"""Vocabularies, ranks and word pieces: what training and the worker share."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from core.artefacts.vocabularies import Vocabulary, VocabularySpec, read_vocabulary, write_directions
from core.heads.ranking import rank
from core.heads.tags import TagSettings, distinct_labels
from core.heads.text_vectors import text_vectors
from core.texts.word_pieces import WordPieces, split_words

PIECES = Path(__file__).parents[2] / "models" / "minilm-l6" / "pieces.txt"
# By the tokenizers package 0.23 from the published tokenizer.json.
GOLDEN = {
    "dog": [101, 3899, 102],
    "Golden Retriever": [101, 3585, 12850, 2099, 102],
    "Café crème brûlée": [101, 7668, 13675, 21382, 7987, 9307, 2063, 102],
    "tri-colored": [101, 13012, 1011, 6910, 102],
    "snowboarder's": [101, 4586, 6277, 2121, 1005, 1055, 102],
    "日本語 text": [101, 1864, 1876, 1950, 3793, 102],
    "": [101, 102],
    "😀 smile": [101, 100, 2868, 102],
    "a" * 101: [101, 100, 102],
    "$5.00 + tax": [101, 1002, 1019, 1012, 4002, 1009, 4171, 102],
    "ﬁre": [101, 1984, 2890, 102],
    "\u200bzero\u00adwidth": [101, 5717, 9148, 11927, 2232, 102],
    "İstanbul": [101, 9960, 102],
    "don’t": [101, 2123, 1521, 1056, 102],
    "\x00nul\x07": [101, 16371, 2140, 102],
    "unaffable": [101, 14477, 20961, 3468, 102],
    "ΑΣΣΑ": [101, 1155, 29733, 29733, 14608, 102],
    "\u2028x": [101, 1060, 102],
}


@pytest.mark.skipif(not PIECES.exists(), reason="the text encoder is not installed")
@pytest.mark.parametrize("text", GOLDEN)
def test_word_pieces_are_those_of_the_published_tokenizer(text: str) -> None:
    assert WordPieces.read(PIECES).encode(text) == GOLDEN[text]


def test_word_pieces_are_the_longest_there_are() -> None:
    pieces = WordPieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "un", "##aff", "##able", "##a", "run", "'"])
    assert pieces.encode("Unaffable run's") == [2, 4, 5, 6, 8, 9, 1, 3]
    assert pieces.encode("run " * 50, longest=5) == [2, 8, 8, 8, 3]
    with pytest.raises(ValueError, match=r"\[SEP\]"):
        WordPieces(["[PAD]", "[UNK]", "[CLS]"])
    with pytest.raises(ValueError, match="padding"):
        WordPieces(["[UNK]", "[PAD]", "[CLS]", "[SEP]"])


def test_words_are_without_accents_and_control_characters() -> None:
    assert split_words("Crème\tBRÛLÉE,\u00a0\u200bno.1 中文\ud800") == [
        "creme",
        "brulee",
        ",",
        "no",
        ".",
        "1",
        "中",
        "文",
    ]


def test_labels_that_read_the_same_are_one() -> None:
    assert distinct_labels(["Café", "cafe", " CAFÉ ", "\u200b", "café au lait", "\x07"]) == ("Café", "café au lait")


def test_the_better_label_comes_first_and_of_equals_the_earlier() -> None:
    scores = np.array([0.2, 0.9, 0.2, 0.5], np.float32)
    assert [at for at, _ in rank(scores, 3)] == [1, 3, 0]
    assert [at for at, _ in rank(scores)] == [1, 3, 0, 2]
    assert rank(scores, 20, 0.5) == [(1, 0.9), (3, 0.5)]
    assert rank(scores, 20, 0.95) == []
    assert rank(np.array([1 / 3], np.float32)) == [(0, 0.333333)]


def test_directions_of_a_file_are_those_that_were_written(tmp_path: Path) -> None:
    directions = np.random.default_rng(0).normal(size=(50, 9)).astype(np.float32)
    directions[0] = 0
    files = VocabularySpec(labels="v.txt", directions="v.npz", language="en")
    (tmp_path / files.labels).write_text("\n".join(f"label {at}" for at in range(50)) + "\n")
    write_directions(tmp_path / files.directions, directions)
    found = read_vocabulary(tmp_path, "v", files, 8)
    assert found.labels[49] == "label 49"
    assert (found.name, found.language, found.source) == ("v", "en", None)
    assert np.abs(found.directions - directions).max() < 0.02
    assert (found.directions[:, -1] == directions[:, -1]).all()
    with pytest.raises(ValueError, match="not one row of 8"):
        read_vocabulary(tmp_path, "v", files, 7)
    (tmp_path / files.labels).write_text("one\n")
    with pytest.raises(ValueError, match="for each label"):
        read_vocabulary(tmp_path, "v", files, 8)


def test_scores_are_chances() -> None:
    vocabulary = Vocabulary(("a", "b"), np.array([[1, 0, 0], [1e6, 1e6, 5]], np.float32))
    scores = vocabulary.scores(np.array([[0, 3], [1e6, 1e6], [-1e6, 0]], np.float32))
    assert scores[0, 0] == pytest.approx(0.5)
    assert np.isfinite(scores).all()
    assert ((scores >= 0) & (scores <= 1)).all()


def test_every_tagger_has_both_named_vocabularies() -> None:
    files = {"labels": "a.txt", "directions": "a.npz"}
    settings = TagSettings.model_validate({"size": 4, "vocabularies": {"photos": files, "open-images": files}})
    assert settings.phrase("{}") == "{}"
    with pytest.raises(ValidationError, match="open-images is missing"):
        TagSettings.model_validate({"size": 4, "vocabularies": {"photos": files}})
    about = {**files, "language": "pt-BR", "source": "a list of words, CC0"}
    assert TagSettings.model_validate({"size": 4, "vocabularies": {"photos": about, "open-images": files}})
    for wrong in ({"language": "Brazilian Portuguese"}, {"language": ""}, {"tongue": "en"}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            TagSettings.model_validate(
                {"size": 4, "vocabularies": {"photos": {**files, **wrong}, "open-images": files}}
            )
    with pytest.raises(ValidationError, match="template"):
        TagSettings.model_validate({"size": 4, "template": "a photo", "vocabularies": {}})


def test_a_vector_does_not_depend_on_the_other_texts() -> None:
    table = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    texts = [[1, *range(3, 3 + at % 7), 2] for at in range(200)]

    def run(feeds: object, outputs: object) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
        assert isinstance(feeds, dict)
        assert len(feeds["input_ids"]) <= 64
        return {"last_hidden_state": table[feeds["input_ids"]]}

    together = text_vectors(run, texts)
    assert np.allclose(np.linalg.norm(together, axis=1), 1)
    assert (together == np.concatenate([text_vectors(run, [text]) for text in texts])).all()
