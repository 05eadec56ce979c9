"""A table of weights for ids that are many times as many: each row knows whose it is.

A table that is merely indexed by a hash gives an n-gram that it never saw the weight of another one. Here a row holds a
byte of its owner's id besides, so that 255 of 256 strangers get nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from training.common.texts.text_layers import SMALL, ByteTable, present

Ids = NDArray[np.int32]
CHECK = 0xFF


def owners(ids: Ids, counts: NDArray[np.int_], slots: int) -> Ids:
    """Whose each row is: of the ids that share it the one that is met most often, 0 where there is none; int32 [slots].

    Args:
        ids: different ones, above 0.
        counts: how often each is met, [len(ids)].
        slots: how many rows; a power of two.
    """
    rows = np.zeros(slots, np.int32)
    order = np.argsort(counts, kind="stable")
    rows[ids[order] & (slots - 1)] = ids[order]  # of several values for one place numpy keeps the last
    return rows


def rows_of(ids: Ids, owned: Ids) -> Ids:
    """The row of each id, and `len(owned)` for one that has none."""
    rows = ids & (len(owned) - 1)
    return np.where(owned[rows] == ids, rows, len(owned)).astype(np.int32)


class CheckedBag(layers.Layer):  # type: ignore[misc]
    """Logits that are linear in which ids are there: the sum of their weights over the root of the number of ids.

    It does not learn; its weights are given, and kept in bytes. An id without a row counts in the number alone.
    """

    def __init__(self, owned: Ids, weights: NDArray[np.float32], bias: float, **options: Any) -> None:
        """`owned`: int32 [slots] as of `owners`; `weights`: float32 [slots]."""
        super().__init__(**options)
        self._slots = len(owned)
        self._bits = self._slots.bit_length() - 1
        self._checks = ((owned >> self._bits) & CHECK).astype(np.uint8)
        self._table = ByteTable(np.where(owned > 0, weights, 0)[:, None].astype(np.float32))
        self._bias = bias

    def call(self, ids: Any) -> Any:
        """int32 ids [N, L] to [N, 1]; 0 is padding."""
        # By bits and not by division: OpenVINO divides integers as float32, which are not exact beyond 2^24.
        rows = ops.bitwise_and(ids, self._slots - 1)
        wanted = ops.bitwise_and(ops.right_shift(ids, self._bits), CHECK)
        own = ops.equal(ops.cast(ops.take(self._checks, rows, axis=0), "int32"), wanted)
        there = present(ids)
        weights = self._table.take(rows) * ops.expand_dims(ops.cast(own, "float32"), -1) * there
        return ops.sum(weights, axis=1) / ops.sqrt(ops.sum(there, axis=1) + SMALL) + self._bias

    def compute_output_shape(self, shape: Sequence[int | None]) -> tuple[int | None, int]:
        return (shape[0], 1)
