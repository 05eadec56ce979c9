"""The reward and the measure are pycocoevalcap's own numbers, and intervals come from photos drawn anew."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

pytest.importorskip("pycocoevalcap")

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider

from training.captioner.caption_measure import NAMES, bootstrap
from training.captioner.cider_d import CiderD
from training.common.captions.caption_scores import caption_scores, count

WORDS = "a dog cat runs sits on the grass red big and".split()  # noqa: SIM905
PHOTOS = 40


def made_up(seed: int) -> tuple[list[list[str]], list[list[list[str]]]]:
    """A caption and five references for each photo; some captions are right word for word, one is empty."""
    random = Random(seed)

    def sentence() -> list[str]:
        return random.choices(WORDS, weights=range(1, 12), k=random.randint(2, 9))

    references = [[sentence() for _ in range(5)] for _ in range(PHOTOS)]
    said = [list(random.choice(photo)) if at % 4 == 0 else sentence() for at, photo in enumerate(references)]
    said[3] = []
    return said, references


def official(said: list[list[str]], references: list[list[list[str]]]) -> tuple[list[float], float, list[float]]:
    """BLEU, CIDEr, and CIDEr of each photo, by pycocoevalcap's own classes."""
    right = {at: [" ".join(words) for words in photo] for at, photo in enumerate(references)}
    given = {at: [" ".join(words)] for at, words in enumerate(said)}
    bleu, _ = Bleu(4).compute_score(right, given, verbose=0)
    cider, photos = Cider().compute_score(right, given)
    return bleu, float(cider), list(photos)


@pytest.mark.parametrize("seed", [0, 1])
def test_scores_are_pycocoevalcaps(seed: int) -> None:
    said, references = made_up(seed)
    bleu, cider, _ = official(said, references)
    scores = caption_scores([" ".join(words) for words in said], references)
    assert [scores[f"bleu_{order}"] for order in (1, 2, 3, 4)] == pytest.approx(bleu, rel=1e-9)
    assert scores["cider"] == pytest.approx(cider, rel=1e-9)


def test_counts_with_weights_are_the_scores_of_the_photos_drawn() -> None:
    """Drawing photos again is the same as scoring the list with repeats, but for how rare an n-gram is in it."""
    said, references = made_up(2)
    counts = count([" ".join(words) for words in said], references)
    drawn = np.random.default_rng(0).integers(PHOTOS, size=PHOTOS)
    bleu, _, _ = official([said[at] for at in drawn], [references[at] for at in drawn])
    found = counts.scores(np.bincount(drawn, minlength=PHOTOS).astype(float))
    assert [float(found[f"bleu_{order}"]) for order in (1, 2, 3, 4)] == pytest.approx(bleu, rel=1e-9)
    assert float(found["cider"]) == pytest.approx(counts.cider[drawn].mean())


def test_an_interval_holds_its_score_and_is_always_the_same() -> None:
    said, references = made_up(3)
    counts = count([" ".join(words) for words in said], references)
    scores, ends = counts.scores(), bootstrap(counts)
    assert ends == bootstrap(counts)
    for name in NAMES:
        low, high = ends[name]
        assert low < scores[name] < high


@pytest.mark.parametrize("seed", [4, 5])
def test_the_reward_is_pycocoevalcaps_cider_on_the_same_document_frequencies(seed: int) -> None:
    said, references = made_up(seed)
    said[3] = ["dog"]
    _, _, wanted = official(said, references)
    ids = {word: at + 4 for at, word in enumerate(WORDS)}
    reward = CiderD([[[ids[word] for word in caption] for caption in photo] for photo in references])
    found = [reward(at, [ids[word] for word in words]) for at, words in enumerate(said)]
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert max(found) > 1
    assert reward(0, [99, 98]) == 0
    assert reward(0, []) == 0
