"""What a search is told beside the decoder: nothing twice, and what is surely there."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from core.heads.beam import Search
from core.heads.captions import SPECIAL, CaptionSettings, Encoded, Wording, captions_of, read_wording
from core.heads.word_bias import BiasRules, WordBias, sayings_of

WORDS = (*SPECIAL, "a", "dog", "dogs", "car", "red")
A, DOG, DOGS, CAR, RED = range(4, 9)
ONCE = np.array([False] * 5 + [True] * 4)
RULES = BiasRules(ONCE, sayings_of([[DOG, DOGS], [CAR], []]), nats=2.0, least=0.4, full=0.7, most=2)


def uniform(photos: int, beams: int) -> NDArray[np.float32]:
    return np.full((photos, beams, len(WORDS)), -np.log(len(WORDS)), np.float32)


def bias(labels: list[list[int]], scores: list[list[float]], beams: int = 1) -> WordBias:
    return WordBias(RULES, np.array(labels, np.int32), np.array(scores, np.float32), beams)


def step(given: WordBias, *words: int) -> NDArray[np.float32]:
    tokens = np.array([[word] for word in words], np.int32)
    given.follow(tokens, np.zeros_like(tokens, dtype=np.intp), np.arange(len(words)))
    return given.apply(uniform(len(words), 1))[:, 0]


def test_sure_labels_raise_their_words_until_one_is_said_and_chances_still_add_up() -> None:
    given = bias([[0, 1], [1, 2]], [[0.9, 0.2], [0.5, 0.95]])
    first = step(given, 1, 1)
    assert first[0, DOG] - first[0, CAR] == pytest.approx(2.0, abs=1e-5)  # the car is not sure enough
    assert first[0, DOGS] == pytest.approx(first[0, DOG])
    assert first[1, CAR] - first[1, RED] == pytest.approx(2.0 * 0.5 / 0.7, abs=1e-5)  # half sure, raised less
    assert np.exp(first[:, 1:]).sum(axis=1) + np.exp(-np.log(len(WORDS)) - 0) * 0 == pytest.approx(
        1 - np.exp(first[:, 0]), abs=0.12
    )
    second = step(given, DOGS, A)
    assert second[0, DOG] == pytest.approx(second[0, CAR])  # it has been said
    assert second[0, DOGS] == -np.inf
    assert second[1, CAR] > second[1, RED]


def test_no_word_of_content_comes_twice_and_others_may() -> None:
    given = bias([[0]], [[0.0]])
    for word in (1, A, RED):
        found = step(given, word)
    assert found[0, RED] == -np.inf
    assert np.isfinite(found[0, [A, DOG, CAR]]).all()


def test_beams_remember_what_they_have_said() -> None:
    given = bias([[0]], [[0.0]], beams=2)
    given.follow(np.array([[1, 1]], np.int32), np.array([[0, 0]]), np.array([0]))
    given.follow(np.array([[RED, CAR]], np.int32), np.array([[0, 0]]), np.array([0]))
    given.follow(np.array([[A, A]], np.int32), np.array([[1, 0]]), np.array([0]))  # they change places
    found = given.apply(uniform(1, 2))[0]
    assert found[0, CAR] == -np.inf
    assert np.isfinite(found[0, RED])
    assert found[1, RED] == -np.inf


def test_a_photo_that_is_finished_takes_its_bias_with_it() -> None:
    given = bias([[0], [1]], [[0.9], [0.9]])
    step(given, 1, 1)
    given.follow(np.array([[A]], np.int32), np.array([[0]]), np.array([1]))
    found = given.apply(uniform(1, 1))[0, 0]
    assert found[CAR] > found[DOG]


def test_a_label_without_words_takes_no_place() -> None:
    first = step(bias([[2, 1, 0]], [[0.99, 0.9, 0.8]]), 1)
    assert first[0, CAR] == pytest.approx(first[0, DOG])
    assert first[0, CAR] > first[0, RED]


def test_a_caption_says_what_is_surely_there(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """A decoder that prefers red by a little says dog when the label is sure; its score stays a chance."""
    (tmp_path / "words.txt").write_text("\n".join(WORDS))
    (tmp_path / "labels.txt").write_text("things\tdog\tdog dogs hound\nwords\tred\t\n")
    (tmp_path / "repeats.txt").write_text("a\n")
    settings = CaptionSettings(
        words="words.txt",
        labels="labels.txt",
        repeats="repeats.txt",
        most_words=3,
        entry=(1, 1),
        memory=("all",),
        boost=2.0,
    )
    wording = read_wording(tmp_path, settings)
    assert wording.rules is not None
    assert wording.rules.sayings.tolist() == [[DOG, DOGS], [0, 0]]
    chances = np.array([1e-9, 1e-9, 0.3, 1e-9, 0.1, 0.15, 0.05, 0.1, 0.3])

    def run(feeds, outputs):  # type: ignore[no-untyped-def]
        shape = feeds["tokens"].shape
        scores = np.broadcast_to(np.log(chances).astype(np.float32), (*shape, len(WORDS))).copy()
        return {"log_probabilities": scores, "entry": np.zeros((1, *shape, 1), np.float32)}

    def told(score: float, rules: Wording) -> list[str]:
        encoded = Encoded(
            {"all": np.zeros((1, 1, 1), np.float32)}, np.zeros((1, 1), np.int32), np.full((1, 1), score, np.float32)
        )
        found = captions_of(run, encoded, rules, settings, Search(2, 3, length_penalty=0.0))
        assert 0 < found[0][0].score <= 1
        return found[0][0].text.split()

    assert "dog" in told(0.9, wording)
    assert "dog" not in told(0.2, wording)
    assert told(0.9, Wording(WORDS, None)) == told(0.2, Wording(WORDS, None))
