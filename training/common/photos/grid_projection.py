"""Fewer numbers a cell of the encoder's grid, by a linear map, which later folds into the first layer behind it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def grid_projection(grids: Floats, known: Floats, components: int) -> Floats:
    """What a decoder already reads of the first features, beside the principal components of the rest.

    Args:
        grids: of some photos, [photos, rows, columns, features].
        known: the first layer of a decoder that has learnt from the first features, [first features, width].
        components: how many principal components of the others to keep.

    Returns:
        float32 [features, width + components]. It leaves means as they are: the layer behind it has a bias.
    """
    if components == 0 or len(known) == grids.shape[-1]:
        found = np.zeros((grids.shape[-1], known.shape[1]), np.float32)
        found[: len(known)] = known
        return found
    others = grids[..., len(known) :].reshape(-1, grids.shape[-1] - len(known)).astype(np.float64)
    values, vectors = np.linalg.eigh(np.cov(others.T))
    kept = min(components, len(values))
    found = np.zeros((grids.shape[-1], known.shape[1] + kept), np.float32)
    found[: len(known), : known.shape[1]] = known
    found[len(known) :, known.shape[1] :] = vectors[:, ::-1][:, :kept]
    return found
