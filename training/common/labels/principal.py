"""Principal components of more columns than one wants to decompose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def principal_components(rows: Floats, count: int, passes: int = 3) -> tuple[Floats, Floats]:
    """Deviations and directions of the first principal components, [count] and [columns, count].

    By subspace iteration on a few more than are wanted (Halko et al., 2011, arXiv:0909.4061); there are no more
    components than rows or columns.

    Args:
        rows: centred, [N, columns].
        count: how many components.
        passes: of the iteration.
    """
    more = min(count + 32, *rows.shape)
    found = np.random.default_rng(0).normal(size=(rows.shape[1], more)).astype(np.float32)
    for _ in range(passes):
        found, _ = np.linalg.qr(rows.T @ (rows @ found))
    _, values, turned = np.linalg.svd(rows @ found, full_matrices=False)
    return values[:count] / len(rows) ** 0.5, found @ turned.T[:, :count]
