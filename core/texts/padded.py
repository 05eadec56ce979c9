"""Batches of one shape out of texts of many lengths: little padding, and little memory at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.texts.features import Ids
from core.texts.prepare import padded_length
from core.texts.prepared import PreparedTexts

# Ids of a batch, padding included: a network keeps hundreds of numbers for a word or a character, which should stay in
# the cache of a core; for a gram of a bag it keeps a few.
CELLS = 1 << 11
BAG_CELLS = 1 << 16
Batch = tuple[NDArray[np.int64], Ids]
_STEP = 16  # lengths of bags are multiples of it


def padded_batches(texts: PreparedTexts, cells: int = CELLS) -> Iterator[Batch]:
    """The texts in batches, those of about the same length together.

    Args:
        texts: in any order.
        cells: most ids of a batch, unless a single text has more.

    Yields:
        Places of N texts, and ids int32 [N or more, length, ...]. Both sizes are powers of two, for runtimes compile
        convolutions anew for each shape; behind the ids of a text and behind the texts are zeros, which change no
        result.
    """
    wanted = np.array([padded_length(length) for length in texts.lengths.tolist()], np.int64)
    for length in np.unique(wanted).tolist():
        places = np.flatnonzero(wanted == length)
        rows = max(1, cells // length)
        for at in range(0, len(places), rows):
            some = places[at : at + rows]
            yield some, _filled(texts, some, 1 << (len(some) - 1).bit_length(), length)


def bag_batches(texts: PreparedTexts, cells: int = BAG_CELLS) -> Iterator[Batch]:
    """As `padded_batches`, of any shape: few batches, for networks that only add rows up, where no shape costs more
    than another."""
    order = np.argsort(texts.lengths, kind="stable")
    lengths = np.maximum(_STEP, -(-texts.lengths[order] // _STEP) * _STEP).tolist()
    first = 0
    for last in range(1, len(lengths) + 1):
        if last == len(lengths) or (last + 1 - first) * lengths[last] > cells:
            yield order[first:last], _filled(texts, order[first:last], last - first, lengths[last - 1])
            first = last


def _filled(texts: PreparedTexts, places: NDArray[np.int64], rows: int, length: int) -> Ids:
    """Ids of the texts at those places, int32 [rows, length, ...]."""
    batch = np.zeros((rows, length, *texts.ids.shape[1:]), np.int32)
    ends = texts.ends[places]
    starts = ends - texts.lengths[places]
    for row, start, end in zip(batch, starts.tolist(), ends.tolist(), strict=False):
        row[: end - start] = texts.ids[start:end]
    return batch
