"""The labels that score best: one rule for classes, tags and texts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DIGITS = 6  # of every score in a result


def rank(scores: NDArray[np.float32], top_k: int | None = None, threshold: float = 0.0) -> list[tuple[int, float]]:
    """The best of some scores.

    Args:
        scores: one a label, float32 [labels].
        top_k: most labels returned; all of them unless given.
        threshold: labels that score less are left out.

    Returns:
        (place of the label, its score rounded to six digits), best first; of equal scores the earlier label.
    """
    best = np.argsort(-scores, kind="stable")[:top_k]
    return [(int(at), round(float(scores[at]), DIGITS)) for at in best[scores[best] >= threshold]]


def rounded(scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scores as `round(float(score), DIGITS)` gives each. A float32 times 10^6 is exact in float64, so that the one
    rounding is that of the decimal number."""
    numbers: NDArray[np.float64] = np.rint(scores.astype(np.float64) * 10**DIGITS) / 10**DIGITS
    return numbers
