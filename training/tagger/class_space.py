"""What the classifier sees, among all labels: the mean place of its classes by their names' vectors.

This is ConSE (Norouzi et al., 2014, arXiv:1312.5650), in the directions in which names of classes differ most. It gives
any label a score by meaning alone, and is where a label starts from that no caption has taught.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.common.calibration import Floats, weigh

SURE, UNSURE = 3.0, -6.0  # logits of what lies below a label in WordNet, and of what does not
DRAWN = 3000


@dataclass(frozen=True, slots=True)
class ClassSpace:
    """Places of classes and labels, and how near is how likely.

    Attributes:
        usual: the middle of the names' vectors, [text].
        turn: from a vector about it to a place before scaling, [text, size].
        places: of the classes, of length 1; of those that training must not know, 0: [classes, size].
        slope, base: what makes a logit of the product of two places.
    """

    usual: Floats
    turn: Floats
    places: Floats
    slope: float
    base: float

    def expected(self, probabilities: Any) -> Any:
        """Where a photo is: [N, classes] to [N, size]."""
        return ops.matmul(probabilities, self.places)

    def directions(self, vectors: Any) -> Any:
        """A direction and a bias behind it by the label's meaning alone: [L, text] to [L, size + 1]."""
        found = _place(vectors, self.usual, self.turn) * self.slope
        return ops.concatenate([found, ops.zeros_like(found[:, :1]) + self.base], axis=-1)

    def above(self, members: Floats) -> Floats:
        """Directions with biases of labels that are true of several classes: [classes, L] to [L, size + 1].

        By ridge regression: a photo that is surely of one of these classes gets the logit SURE, any other UNSURE.
        """
        spread = self.places.T @ self.places + np.eye(self.places.shape[1])
        found = np.linalg.solve(spread, self.places.T @ members) * (SURE - UNSURE)
        return np.concatenate([found.T, np.full((members.shape[1], 1), UNSURE)], axis=1).astype(np.float32)


def fit_classes(vectors: Floats, allowed: NDArray[np.bool_], probabilities: Floats, size: int, seed: int) -> ClassSpace:
    """Places for classes by the vectors of their names.

    Args:
        vectors: [classes, text].
        allowed: which classes training may know by name, [classes].
        probabilities: what the classifier says of some photos, [photos, classes].
        size: of a place.
        seed: of the photos that are told to show a class, on which slope and base are learnt.
    """
    usual = vectors[allowed].mean(axis=0)
    values, turned = np.linalg.eigh(np.cov(vectors[allowed].T))
    turn = (turned[:, ::-1][:, :size] / np.sqrt(np.maximum(values[::-1][:size], 1e-9))).astype(np.float32)
    places = np.array(_place(vectors, usual, turn)) * allowed[:, None]
    random = np.random.default_rng(seed)
    part = random.uniform(0, 1, (DRAWN, 1))
    shown = np.eye(len(vectors))[random.choice(np.flatnonzero(allowed), size=DRAWN)]
    told = part * shown + (1 - part) * probabilities[random.integers(len(probabilities), size=DRAWN)]
    nearness = told @ places @ places[allowed].T
    some = random.random(nearness.shape) < 0.1
    likely = told[:, allowed]
    slope, base = weigh(nearness[some][:, None], likely[some])  # the probabilities themselves are what is likely
    return ClassSpace(usual, turn, places.astype(np.float32), float(slope), float(base))


def _place(vectors: Any, usual: Floats, turn: Floats) -> Any:
    found = ops.matmul(ops.convert_to_tensor(vectors) - usual, turn)
    return found / (ops.norm(found, axis=-1, keepdims=True) + 1e-6)
