"""Batches of texts of about the same length, in a random order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from core.texts.prepare import pad_batch
from training.common.fit import Batch

ROUND = 16  # lengths are rounded, so that a compiler sees few shapes
POOL = 40  # batches whose texts are sorted by length together


def shuffled(
    items: Sequence[NDArray[np.int32]], targets: NDArray[np.float32], size: int, random: np.random.Generator
) -> Iterator[Batch]:
    """All items once: shuffled, sorted by length within pools, cut into batches, which are shuffled again.

    Args:
        items: int32 [length, ...] each.
        targets: float32 [len(items), ...].
        size: of a batch; the last one is shorter.
        random: decides the order.
    """
    order = random.permutation(len(items))
    groups = []
    for at in range(0, len(order), size * POOL):
        pool = sorted(order[at : at + size * POOL], key=lambda index: len(items[index]))
        groups += [pool[start : start + size] for start in range(0, len(pool), size)]
    for index in random.permutation(len(groups)):
        group = groups[index]
        chosen = [items[at] for at in group]
        yield pad_batch(chosen, rounded(max(map(len, chosen)))), targets[group]


def rounded(length: int) -> int:
    """The length a batch is padded to: a power of two up to 16, a multiple of 16 above."""
    return 1 << (length - 1).bit_length() if length <= ROUND else -(-length // ROUND) * ROUND


def count(items: int, size: int) -> int:
    """How many batches so many items make."""
    return -(-items // size)
