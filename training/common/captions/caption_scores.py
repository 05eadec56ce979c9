"""BLEU and CIDEr of captions that are split into words, as pycocoevalcap 1.2 computes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pycocoevalcap.bleu.bleu_scorer import BleuScorer
from pycocoevalcap.cider.cider import Cider

ORDERS = 4
SMALL, TINY = 1e-9, 1e-15  # pycocoevalcap's guards against division by 0

Floats = NDArray[np.float64]
References = Sequence[Sequence[Sequence[str]]]  # photos, captions, words


@dataclass(frozen=True, slots=True)
class Counts:
    """What the scores of a set of photos are added up from, a row a photo.

    Attributes:
        lengths: [photos, 2], words of the caption and of the reference closest in length.
        matched, total: [photos, 4], n-grams of the caption that a reference has too, and all of them.
        cider: [photos], with the document frequencies of all these photos.
    """

    lengths: Floats
    matched: Floats
    total: Floats
    cider: Floats

    def scores(self, weights: Floats | None = None) -> dict[str, Floats]:
        """Corpus scores by name.

        Args:
            weights: [..., photos], how often each photo counts; once unless given.

        Returns:
            "bleu_1" to "bleu_4" and "cider", each of the shape of `weights` without its last axis.
        """
        weights = np.ones(len(self.cider)) if weights is None else weights
        lengths, matched, total = weights @ self.lengths, weights @ self.matched, weights @ self.total
        ratio = (lengths[..., 0] + TINY) / (lengths[..., 1] + SMALL)
        brevity = np.exp(np.minimum(1 - 1 / ratio, 0))
        precisions = np.cumprod((matched + TINY) / (total + SMALL), axis=-1)
        bleu = {f"bleu_{n}": precisions[..., n - 1] ** (1 / n) * brevity for n in range(1, ORDERS + 1)}
        return {**bleu, "cider": weights @ self.cider / weights.sum(axis=-1)}


def caption_scores(captions: Sequence[str], references: References) -> dict[str, float]:
    """Corpus scores.

    Args:
        captions: one for each photo, words with a space between.
        references: for each photo the words of what people said.

    Returns:
        "bleu_1" to "bleu_4" (Papineni et al., 2002) and "cider" (Vedantam et al., 2015, arXiv:1411.5726; CIDEr-D).
    """
    return {name: float(value) for name, value in count(captions, references).scores().items()}


def count(captions: Sequence[str], references: References) -> Counts:
    """The counts behind `caption_scores`.

    Raises:
        AssertionError: they do not add up to what pycocoevalcap says itself.
    """
    scorer = BleuScorer(n=ORDERS)
    right = {at: [" ".join(words) for words in photo] for at, photo in enumerate(references)}
    for at, caption in enumerate(captions):
        scorer += (caption, right[at])
    _, cider = Cider().compute_score(right, {at: [caption] for at, caption in enumerate(captions)})
    rows = scorer.ctest
    counts = Counts(
        np.array([[row["testlen"], _closest(row["reflen"], row["testlen"])] for row in rows], float),
        np.array([row["correct"] for row in rows], float),
        np.array([row["guess"] for row in rows], float),
        np.asarray(cider, float),
    )
    official, _ = scorer.compute_score(option="closest")
    own = counts.scores()
    assert np.allclose([own[f"bleu_{n}"] for n in range(1, ORDERS + 1)], official, rtol=1e-9, atol=1e-12)
    return counts


def _closest(lengths: Sequence[int], length: int) -> int:
    """The reference length nearest to a caption's; the shorter of two as near."""
    return min((abs(one - length), one) for one in lengths)[1]
