"""The linear member of the sentiment network: which n-grams it keeps, and what they weigh."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.common.calibration import Floats
from training.common.texts.checked_table import CheckedBag, owners, rows_of
from training.sentiment.gram_weights import Ids, gram_weights
from training.sentiment.sentiment_plan import LinearGrams


def linear_grams(items: Sequence[Ids], positive: NDArray[np.bool_], plan: LinearGrams) -> CheckedBag:
    """The linear member, solved on training reviews.

    Args:
        items: ids of the reviews, int32 [L, 1 + orders], as `core.texts.prepare` makes them.
        positive: bool [len(items)].
        plan: its settings.
    """
    texts = [item[:, 1:][item[:, 1:] > 0] for item in items]
    found, counts = np.unique(np.concatenate(texts), return_counts=True)
    often = counts >= plan.least_count
    owned = owners(found[often], counts[often], plan.slots)
    rows = [rows_of(text, owned) for text in texts]
    scale = log_count_ratio(rows, positive, plan.slots)
    weights = gram_weights(rows, positive, scale, plan.ridge, plan.passes)
    return CheckedBag(owned, (scale * weights[:-1])[:-1].astype(np.float32), float(weights[-1]), name="grams")


def log_count_ratio(rows: Sequence[Ids], positive: NDArray[np.bool_], unknown: int) -> Floats:
    """How much more often an n-gram is in positive reviews than in negative ones, as a logarithm.

    After Wang and Manning, 2012, https://aclanthology.org/P12-2018/.

    Args:
        rows: of each review the rows of its n-grams, each once.
        positive: bool [len(rows)].
        unknown: the row of all n-grams that are not kept, the last one.

    Returns:
        float32 [unknown + 1]; 0 for rows that no review has, and for the last one.
    """
    counts = np.zeros((2, unknown + 1))
    for sign in (0, 1):
        found = [row for row, good in zip(rows, positive, strict=True) if good == bool(sign)]
        counts[sign] = np.bincount(np.concatenate(found), minlength=unknown + 1)
    counts[:, unknown] = 0
    shares = (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)
    ratio = np.where(counts.sum(axis=0) > 0, np.log(shares[1] / shares[0]), 0)
    result: Floats = ratio.astype(np.float32)
    return result
