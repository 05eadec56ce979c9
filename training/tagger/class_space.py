"""What the classifier sees, among all labels: the mean position of its classes by their names' vectors.

This is ConSE (Norouzi et al., 2014, arXiv:1312.5650), in the directions in which names of classes differ most. It gives
any label a score by meaning alone, and is what a label has that no caption has taught.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.common.calibration import Floats, logistic_regression

SURE, UNSURE = 3.0, -6.0  # logits of a hypernym for photos of its classes, and for all other photos
MIXTURES = 3000


@dataclass(frozen=True, slots=True)
class ClassSpace:
    """Positions of classes and labels, and what their products say about how likely a label is.

    Attributes:
        mean: of the names' vectors, [text].
        projection: from a vector about the mean to a position before scaling, [text, size].
        positions: of the classes, of length 1; 0 for those whose names training may not know: [classes, size].
        slope, base: make a logit of the product of two positions.
    """

    mean: Floats
    projection: Floats
    positions: Floats
    slope: float
    base: float

    def expected(self, probabilities: Any) -> Any:
        """Where a photo is, by the probabilities of its classes: [N, classes] to [N, size]."""
        return ops.matmul(probabilities, self.positions)

    def directions(self, vectors: Any) -> Any:
        """A direction and a bias behind it by the label's meaning alone: [L, text] to [L, size + 1]."""
        found = _position(vectors, self.mean, self.projection) * self.slope
        return ops.concatenate([found, ops.zeros_like(found[:, :1]) + self.base], axis=-1)

    def hypernym_directions(self, members: Floats) -> Floats:
        """Directions with biases of labels that are true of several classes: [classes, L] to [L, size + 1].

        By ridge regression: a photo that is surely of one of these classes gets the logit SURE, any other UNSURE.
        """
        spread = self.positions.T @ self.positions + np.eye(self.positions.shape[1])
        found = np.linalg.solve(spread, self.positions.T @ members) * (SURE - UNSURE)
        return np.concatenate([found.T, np.full((members.shape[1], 1), UNSURE)], axis=1).astype(np.float32)


def fit_class_space(
    vectors: Floats, allowed: NDArray[np.bool_], probabilities: Floats, size: int, seed: int
) -> ClassSpace:
    """Positions for classes by the vectors of their names.

    Slope and base are learnt on mixtures: what the classifier says of some photo, mixed with a class that is sure.

    Args:
        vectors: [classes, text].
        allowed: which classes training may know by name, [classes].
        probabilities: what the classifier says of some photos, [photos, classes].
        size: of a position.
        seed: of the mixtures.
    """
    mean = vectors[allowed].mean(axis=0)
    values, turned = np.linalg.eigh(np.cov(vectors[allowed].T))
    projection = (turned[:, ::-1][:, :size] / np.sqrt(np.maximum(values[::-1][:size], 1e-9))).astype(np.float32)
    positions = np.array(_position(vectors, mean, projection)) * allowed[:, None]
    random = np.random.default_rng(seed)
    share = random.uniform(0, 1, (MIXTURES, 1))
    sure = np.eye(len(vectors))[random.choice(np.flatnonzero(allowed), size=MIXTURES)]
    mixed = share * sure + (1 - share) * probabilities[random.integers(len(probabilities), size=MIXTURES)]
    products = mixed @ positions @ positions[allowed].T
    some = random.random(products.shape) < 0.1
    # A class is as likely as the mixture's probability says: these are the regression's targets.
    slope, base = logistic_regression(products[some][:, None], mixed[:, allowed][some])
    return ClassSpace(mean, projection, positions.astype(np.float32), float(slope), float(base))


def _position(vectors: Any, mean: Floats, projection: Floats) -> Any:
    found = ops.matmul(ops.convert_to_tensor(vectors) - mean, projection)
    return found / (ops.norm(found, axis=-1, keepdims=True) + 1e-6)
