"""Where a tagger's training starts: the best linear map from photos to labels, through as few numbers as it has.

Ridge regression has one solution, found in seconds. Towers with hidden layers that start at random end below it here:
twelve thousand photos are few, and the shared encoder has been tuned on half of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.common.calibration import Floats
from training.common.labels.label_targets import LabelTargets
from training.common.labels.weighted_ridge import weighted_ridge

SMALLEST = 1e-5
MODERATION = 0.03


@dataclass(frozen=True, slots=True)
class LinearMap:
    """A linear image tower, and a direction and a bias for each label.

    Attributes:
        kernel, bias: from an input to an embedding, [width, size] and [size].
        directions, biases: [labels, size] and [labels]; with these an embedding's product is a logit.
    """

    kernel: Floats
    bias: Floats
    directions: Floats
    biases: Floats


def reduced_rank_ridge(inputs: Floats, targets: LabelTargets, size: int, penalty: float) -> LinearMap:
    """The reduced-rank ridge regression (Izenman, 1975) of how true labels are, as logits.

    A difference in a probability p becomes a difference in its logit that is 1 / (p (1 - p)) times as large; less for
    rare labels, of which little is known.

    Args:
        inputs: [N, width].
        targets: of the same photos.
        size: of an embedding.
        penalty: of the ridge, as if so many further photos asked for weights of 0.
    """
    mean, rates = inputs.mean(axis=0), np.clip(targets.rates.astype(np.float64), SMALLEST, 1 - SMALLEST)
    centred = inputs - mean
    slopes = weighted_ridge(centred, targets, penalty)
    varies = rates * (1 - rates)
    weights = varies**-0.25  # between treating all labels alike and dividing each by its deviation
    kernel, directions = _reduced(slopes * weights, (centred.T @ centred).astype(np.float64) / len(inputs), size)
    return LinearMap(
        kernel.astype(np.float32),
        (-mean @ kernel).astype(np.float32),
        (directions / (weights * (varies + MODERATION))[:, None]).astype(np.float32),
        np.log(rates / (1 - rates)).astype(np.float32),
    )


def _reduced(
    slopes: NDArray[np.float64], spread: NDArray[np.float64], size: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two thin matrices whose product predicts most like the slopes: [width, size] and [labels, size]."""
    values, vectors = np.linalg.eigh(spread)
    roots = np.sqrt(np.maximum(values, 1e-6))
    predicted = (vectors * roots).T @ slopes  # along uncorrelated inputs
    left, strengths, right = np.linalg.svd(predicted, full_matrices=False)
    kept = min(size, len(strengths))
    kernel, directions = np.zeros((len(spread), size)), np.zeros((slopes.shape[1], size))
    kernel[:, :kept] = (vectors / roots) @ left[:, :kept]
    directions[:, :kept] = (strengths[:kept, None] * right[:kept]).T
    return kernel, directions
