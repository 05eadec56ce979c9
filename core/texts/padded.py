"""Batches of one shape out of texts of many lengths: few different shapes, and little memory at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from core.texts.features import Ids
from core.texts.prepare import padded_length
from core.texts.prepared import PreparedTexts

CELLS = 1 << 12  # ids of a batch, padding included: a network keeps hundreds of numbers for a word or a character
BAG_CELLS = 1 << 16  # for a gram of a bag it keeps a few


def padded_batches(texts: PreparedTexts, cells: int = CELLS) -> Iterator[tuple[NDArray[np.int64], Ids]]:
    """The texts in batches, those of about the same length together.

    Args:
        texts: in any order.
        cells: most ids of a batch, unless a single text has more.

    Yields:
        Places of N texts, and ids int32 [N or more, length, ...]. Both sizes are powers of two, for runtimes compile
        anew for each shape; behind the ids of a text and behind the texts are zeros, which change no result.
    """
    ends = texts.ends.tolist()
    starts = [0, *ends[:-1]]
    wanted = np.array([padded_length(end - start) for start, end in zip(starts, ends, strict=True)], np.int64)
    for length in np.unique(wanted).tolist():
        places = np.flatnonzero(wanted == length)
        rows = max(1, cells // length)
        for at in range(0, len(places), rows):
            some = places[at : at + rows]
            batch = np.zeros((1 << (len(some) - 1).bit_length(), length, *texts.ids.shape[1:]), np.int32)
            for row, place in zip(batch, some.tolist(), strict=False):
                start, end = starts[place], ends[place]
                row[: end - start] = texts.ids[start:end]
            yield some, batch
