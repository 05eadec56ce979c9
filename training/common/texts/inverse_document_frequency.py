"""How much an n-gram says about a text, before any label is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def inverse_document_frequency(items: Sequence[NDArray[np.int32]], buckets: int) -> NDArray[np.float32]:
    """Scale of each id by how few texts have it, float32 [buckets]: 1 for an id of no text, 0 for one of all.

    Args:
        items: the distinct ids of each text.
        buckets: how many ids there are.
    """
    texts = np.bincount(np.concatenate(items), minlength=buckets)
    scale: NDArray[np.float32] = (np.log((1 + len(items)) / (1 + texts)) / np.log(1 + len(items))).astype(np.float32)
    return scale
