"""Fewer numbers a cell: what a decoder reads is kept to the bit, and of the rest what differs most."""

from __future__ import annotations

import numpy as np
import pytest

from training.common.photos.grid_projection import grid_projection

RANDOM = np.random.default_rng(0)
KNOWN = RANDOM.normal(size=(4, 3)).astype(np.float32)


def test_what_is_known_is_kept_and_the_rest_by_its_components() -> None:
    grids = RANDOM.normal(size=(20, 2, 2, 10)).astype(np.float32)
    grids[..., 7] *= 30  # of the features that the decoder does not read, the one that differs most
    found = grid_projection(grids, KNOWN, 2)
    assert found.shape == (10, 5)
    assert (grids @ found)[..., :3] == pytest.approx(grids[..., :4] @ KNOWN, abs=1e-4)
    assert not found[:4, 3:].any()
    assert abs(found[7, 3]) > 0.99


@pytest.mark.parametrize(("features", "components"), [(4, 384), (10, 0)])
def test_with_nothing_more_to_read_it_is_what_is_known(features: int, components: int) -> None:
    found = grid_projection(np.ones((2, 1, 1, features), np.float32), KNOWN, components)
    assert found.shape == (features, 3)
    assert np.array_equal(found[:4], KNOWN)
    assert not found[4:].any()
