"""Scores with confidence intervals, and calibration."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Metric

Floats = NDArray[np.floating[Any]]
Z95 = 1.959964
BINS = 15


def proportion(name: str, hits: int, total: int, source: str) -> Metric:
    """A share with Wilson's 95 % interval (Wilson, 1927), rounded to four places."""
    if total == 0:
        raise ValueError(f"{name}: there is nothing to measure on")
    share = hits / total
    middle = (share + Z95**2 / (2 * total)) / (1 + Z95**2 / total)
    half = Z95 / (1 + Z95**2 / total) * sqrt(share * (1 - share) / total + Z95**2 / (4 * total**2))
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return Metric(name=name, value=round(share, 4), source=source, low=round(low, 4), high=round(high, 4))


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


def weigh(logits: Floats, labels: NDArray[np.bool_], ridge: float = 1e-3, steps: int = 50) -> Floats:
    """Logistic regression on a few logits: how much each counts, and a constant; Platt scaling if there is one.

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


def factor_and_shifts(logits: Floats, labels: NDArray[np.int_], ridge: float = 1e-3, steps: int = 50) -> Floats:
    """The factor of all logits and the shift of each under which the right labels are likeliest.

    A temperature, and what it takes when labels are more frequent than training had them; part of the vector scaling of
    Guo et al., 2017, arXiv:1706.04599.

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
