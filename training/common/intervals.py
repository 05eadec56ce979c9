"""Numbers with their 95 % confidence intervals, as cards have them."""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Metric
from training.common.calibration import Floats

Z95 = 1.959964
RESAMPLES = 400


def proportion(name: str, hits: int, total: int, source: str) -> Metric:
    """A share with Wilson's interval (Wilson, 1927), rounded to four places.

    Raises:
        ValueError: there is nothing to measure on.
    """
    if total == 0:
        raise ValueError(f"{name}: there is nothing to measure on")
    share = hits / total
    middle = (share + Z95**2 / (2 * total)) / (1 + Z95**2 / total)
    half = Z95 / (1 + Z95**2 / total) * sqrt(share * (1 - share) / total + Z95**2 / (4 * total**2))
    low, high = max(middle - half, 0.0), min(middle + half, 1.0)
    return Metric(name=name, value=round(share, 4), source=source, low=round(low, 4), high=round(high, 4))


def with_interval(
    name: str,
    measure: Callable[[Any, Any], float],
    scores: Floats,
    truth: NDArray[np.bool_],
    source: str,
    seed: int = 0,
) -> Metric:
    """A number with its interval by the percentile bootstrap over rows (Efron, 1979), rounded to four places.

    Args:
        name: the metric's.
        measure: from scores and truth of some rows to the number.
        scores: [rows, ...].
        truth: [rows, ...].
        source: the metric's.
        seed: decides which rows are drawn.
    """
    random = np.random.default_rng(seed)
    found = []
    for _ in range(RESAMPLES):
        rows = random.integers(len(scores), size=len(scores))
        found.append(measure(scores[rows], truth[rows]))
    low, high = np.percentile(found, [2.5, 97.5])
    value = measure(scores, truth)
    return Metric(name=name, value=round(value, 4), source=source, low=round(float(low), 4), high=round(float(high), 4))
