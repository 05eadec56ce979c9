"""CIDEr-D of sentences as they are sampled: the reward of sequence-level training.

Vedantam et al., 2015, arXiv:1411.5726, with the clipping and the length penalty of CIDEr-D. How rare an n-gram is
comes from the training captions, whose vectors are computed once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import exp, log, sqrt

ORDERS = 4
SIGMA = 6.0  # of the length penalty, in words
Grams = Counter[tuple[int, ...]]
Vector = tuple[dict[tuple[int, ...], float], tuple[float, ...], int]  # weights, a norm an order, length


class CiderD:
    """Scores sentences of ids against the captions of a photo of the training split.

    Args:
        references: for each photo its captions as ids, their end included.
    """

    def __init__(self, references: Sequence[Sequence[Sequence[int]]]) -> None:
        counted = [[_grams(caption) for caption in photo] for photo in references]
        self._photos = log(max(len(references), 2))
        self._in: Grams = Counter(gram for photo in counted for gram in set().union(*photo))
        self._references = [
            [self._vector(grams, len(caption)) for grams, caption in zip(photo, captions, strict=True)]
            for photo, captions in zip(counted, references, strict=True)
        ]

    def __call__(self, photo: int, sentence: Sequence[int]) -> float:
        """The score of one sentence for a photo, 0 to 10."""
        candidate = self._vector(_grams(sentence), len(sentence))
        found = [_similarity(candidate, reference) for reference in self._references[photo]]
        return 10.0 * sum(found) / max(len(found), 1)

    def _vector(self, grams: Grams, length: int) -> Vector:
        weights = {gram: count * (self._photos - log(max(self._in[gram], 1))) for gram, count in grams.items()}
        squares = [0.0] * ORDERS
        for gram, weight in weights.items():
            squares[len(gram) - 1] += weight * weight
        return weights, tuple(map(sqrt, squares)), length


def _grams(sentence: Sequence[int]) -> Grams:
    words = tuple(sentence)
    return Counter(words[at : at + order] for order in range(1, ORDERS + 1) for at in range(len(words) - order + 1))


def _similarity(candidate: Vector, reference: Vector) -> float:
    """The mean over the orders of the clipped cosine, less for another length."""
    (weights, norms, length), (wanted, wanted_norms, wanted_length) = candidate, reference
    products = [0.0] * ORDERS
    for gram, weight in weights.items():
        other = wanted.get(gram, 0.0)
        products[len(gram) - 1] += min(weight, other) * other
    cosines = [
        product / (norm * other) if norm and other else 0.0
        for product, norm, other in zip(products, norms, wanted_norms, strict=True)
    ]
    return sum(cosines) / ORDERS * exp(-((length - wanted_length) ** 2) / (2 * SIGMA**2))
