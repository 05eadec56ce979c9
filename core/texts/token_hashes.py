"""Hashes of the tokens of many texts. What stands between two spaces is cut into tokens once, however often met."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from core.texts.features import Hashes, tokens

KEPT = 1 << 15  # pieces; with their hashes some 8 MB
LONGEST_KEPT = 24  # characters


class _Pieces(dict[str, tuple[int, ...]]):
    """The hashes of the tokens of each piece that has been seen lately. Threads may share it."""

    def __missing__(self, piece: str) -> tuple[int, ...]:
        found = tuple(crc32(token.encode("utf-8", "surrogatepass")) for token in tokens(piece))
        if len(piece) <= LONGEST_KEPT:
            if len(self) >= KEPT:
                self.clear()
            self[piece] = found
        return found


_PIECES = _Pieces()


def token_hashes(texts: Sequence[str]) -> tuple[Hashes, NDArray[np.int64]]:
    """`features.word_hashes` of the tokens of normalised texts, one text after another, and how many each text has.

    No token holds a space, so what stands between two is cut by itself.
    """
    pieces = [text.split(" ") for text in texts]
    hashes = list(map(_PIECES.__getitem__, chain.from_iterable(pieces)))
    counts = np.fromiter(map(len, hashes), np.int64, len(hashes))
    ends = np.cumsum([len(some) for some in pieces], dtype=np.int64)
    before = np.append(0, np.cumsum(counts))
    flat = np.fromiter(chain.from_iterable(hashes), np.uint64, int(before[-1]))
    return flat, np.diff(before[ends], prepend=0)
