"""From the vector of any label to its direction among the photos' embeddings; see docs/decisions/0063."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.tagger.class_space import ClassSpace
from training.tagger.int8_matrix import Int8Matrix

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelTower:
    """From the vector of any label to a direction with a bias behind it: kernel ridge regression on those learnt.

    A label's direction is what its meaning alone says, and a correction: a sum over the labels that were learnt, more
    of those whose vectors are near. That is the mean of a Gaussian process (Rasmussen and Williams, 2006, chapter 2)
    whose observations, the directions learnt, are the surer the more photos show them. The first numbers of a
    direction are for what captions say, the rest for the classes; a label far from all captions has only these.

    Attributes:
        anchors: vectors of the labels that were learnt, [text, labels].
        corrections: of the labels that were learnt, [labels, size + 1].
        bandwidth: how far, in cosines, a label speaks for others.
        classes: what a label's meaning alone says.
    """

    anchors: Int8Matrix
    corrections: Floats
    bandwidth: float
    classes: ClassSpace

    def __call__(self, vectors: Any) -> Any:
        """Vectors of length 1, [L, text], to [L, size + 1]."""
        by_meaning = directions_by_meaning(vectors, self.classes, self.corrections.shape[1])
        return by_meaning + ops.matmul(kernel(vectors, self.anchors, self.bandwidth), self.corrections)


class LabelTowerFit:
    """Fits label towers to directions of the same labels; what does not depend on the directions is computed once."""

    def __init__(self, vectors: Floats, shown: Floats, bandwidth: float, noise: float, classes: ClassSpace) -> None:
        """Set up the regression.

        Args:
            vectors: of the labels, [labels, text]; of length 1.
            shown: how many photos show each label, [labels].
            bandwidth: see LabelTower.
            noise: variance of a direction that one photo alone has taught, in units of how much directions differ.
            classes: see LabelTower.
        """
        self._vectors, self._bandwidth, self._classes = vectors, bandwidth, classes
        self._anchors = Int8Matrix.of(vectors.T)
        covariance = ops.convert_to_numpy(kernel(vectors, self._anchors, bandwidth)).astype(np.float64)
        covariance[np.diag_indices_from(covariance)] += noise / np.maximum(shown, 1e-3) + 1e-4
        self._inverse = np.linalg.inv(covariance)

    def __call__(self, directions: Floats) -> LabelTower:
        """The tower that explains directions with biases behind them, [labels, size + 1]."""
        by_meaning = directions_by_meaning(self._vectors, self._classes, directions.shape[1])
        corrections = self._inverse @ (directions - ops.convert_to_numpy(by_meaning))
        stored = np.ascontiguousarray(corrections, np.float32)
        return LabelTower(self._anchors, stored, self._bandwidth, self._classes)


def directions_by_meaning(vectors: Any, classes: ClassSpace, width: int) -> Any:
    """Directions by meaning alone, with 0 in the numbers that are for captions: [L, text] to [L, width]."""
    found = classes.directions(vectors)
    return ops.pad(found, ((0, 0), (width - found.shape[1], 0)))


def kernel(vectors: Any, anchors: Int8Matrix, bandwidth: float) -> Any:
    """How alike vectors of length 1 are, from 0 to 1: [N, text] and [text, M] to [N, M]."""
    return ops.exp((anchors.multiply(vectors) - 1) / bandwidth)
