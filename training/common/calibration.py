"""From logits to chances that can be trusted: calibration, its error, and thresholds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
BINS = 15


def calibration_error(probabilities: Floats, correct: NDArray[np.bool_]) -> float:
    """Expected calibration error of the first label in 15 bins of equal width (Guo et al., 2017, arXiv:1706.04599).

    Args:
        probabilities: [N], of the label that was given.
        correct: [N], whether it was the right one.
    """
    bins = np.minimum((probabilities * BINS).astype(int), BINS - 1)
    gaps = [
        abs(probabilities[bins == at].mean() - correct[bins == at].mean()) * (bins == at).mean()
        for at in np.unique(bins)
    ]
    return float(sum(gaps))


def logistic_regression(logits: Floats, labels: NDArray[np.bool_], ridge: float = 1e-3, steps: int = 50) -> Floats:
    """How much each of a few logits counts, and a constant; Platt scaling if there is one logit.

    Args:
        logits: [N, members].
        labels: [N].

    Returns:
        float64 [members + 1], the constant last; found by Newton's method.
    """
    columns = np.column_stack([logits, np.ones(len(logits))]).astype(np.float64)
    weights = np.zeros(columns.shape[1])
    for _ in range(steps):
        chance = sigmoid(columns @ weights)
        slope = columns.T @ (chance - labels) + ridge * weights
        curve = (columns * (chance * (1 - chance))[:, None]).T @ columns + ridge * np.eye(len(weights))
        weights = weights - np.linalg.solve(curve, slope)
    return weights


def vector_scaling(logits: Floats, labels: NDArray[np.int_], ridge: float = 1e-3, steps: int = 50) -> Floats:
    """One factor for all logits and a shift for each, under which the right labels are likeliest.

    A temperature, and shifts for labels that are more or less frequent than in training: vector scaling (Guo et al.,
    2017, arXiv:1706.04599) with one factor.

    Args:
        logits: [N, labels].
        labels: int [N].

    Returns:
        float64 [1 + labels]: the factor, then the shifts; found by Newton's method.
    """
    found = np.append(1.0, np.zeros(logits.shape[1]))
    slopes = np.zeros((*logits.shape, len(found)))
    slopes[:, :, 0] = logits
    slopes[:, :, 1:] = np.eye(logits.shape[1])
    right = np.eye(logits.shape[1])[labels]
    for _ in range(steps):
        chance = softmax(found[0] * logits + found[1:])
        slope = np.einsum("nck,nc->k", slopes, chance - right) + ridge * (found - np.append(1.0, found[1:] * 0))
        mean = np.einsum("nck,nc->nk", slopes, chance)
        curve = np.einsum("nck,nc,ncl->kl", slopes, chance, slopes) - mean.T @ mean
        found = found - np.linalg.solve(curve + ridge * np.eye(len(found)), slope)
    result: Floats = found
    return result


def sigmoid(logits: Floats) -> Floats:
    quotient: Floats = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
    return quotient


def softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    quotient: Floats = raised / raised.sum(axis=-1, keepdims=True)
    return quotient


def best_threshold(scores: Floats, labels: NDArray[np.bool_], precision: float) -> float:
    """The lowest threshold whose precision is at least the one wanted, half way to the next score below.

    Raises:
        ValueError: no threshold reaches it.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    reached = np.cumsum(labels[order]) / np.arange(1, len(order) + 1) >= precision
    ends = np.append(ranked[1:] < ranked[:-1], True)  # equal scores stand or fall together
    good = np.flatnonzero(reached & ends)
    if not len(good):
        raise ValueError(f"no threshold has a precision of {precision}")
    last = int(good[-1])
    below = ranked[last + 1] if last + 1 < len(ranked) else 0.0
    return float((ranked[last] + below) / 2)
