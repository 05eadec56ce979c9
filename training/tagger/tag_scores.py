"""How well labels are ranked: average precision of a label over photos, precision of a photo's first few."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.common.calibration import Floats

Truth = NDArray[np.bool_]


def average_precisions(scores: Floats, truth: Truth) -> Floats:
    """Area under precision and recall of each label, [labels]; NaN where no photo has it.

    Args:
        scores: [photos, labels].
        truth: whether the label holds, [photos, labels].
    """
    order = np.argsort(-scores, axis=0, kind="stable")
    hits = np.take_along_axis(truth, order, axis=0)
    precisions = np.cumsum(hits, axis=0) / np.arange(1, len(hits) + 1)[:, None]
    totals = hits.sum(axis=0)
    sums = (precisions * hits).sum(axis=0)
    found: Floats = np.divide(sums, totals, out=np.full(len(totals), np.nan), where=totals > 0)
    return found


def mean_average_precision(scores: Floats, truth: Truth) -> float:
    """The mean over the labels that some photo has."""
    return float(np.nanmean(average_precisions(scores, truth)))


def precision_at(scores: Floats, truth: Truth, count: int) -> float:
    """The share of right labels among each photo's first `count`, mean over photos."""
    best = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    return float(np.take_along_axis(truth, best, axis=1).mean())
