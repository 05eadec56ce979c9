"""What a decoder has computed for the words so far, kept as its next step reads it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class WordCache:
    """The cache of a search, [words, parts, photos * beams, numbers], which follows the beams as they are chosen.

    Words come first, so that those that are there lie together, and parts before photos, so that the graph takes them
    apart by blocks.
    """

    def __init__(self, words: int, entry: tuple[int, int], rows: int) -> None:
        """Room for so many words of so many photos * beams; `entry` is what is kept of each: parts, and numbers."""
        self._parts, self._numbers = entry
        self._words, self._length = words, 0
        # Two: beams are moved from the one into the other.
        self._rooms = [np.empty(words * self._parts * rows * self._numbers, np.float32) for _ in range(2)]
        self._cache = self._room(rows)

    def follow(self, parents: NDArray[np.intp], photos: NDArray[np.intp]) -> Floats:
        """The words so far of beams that go on from those of the call before.

        Args:
            parents: within a photo, which beam each goes on from, [photos, beams].
            photos: those of the call before that stay.

        Returns:
            [words, parts, photos, beams, numbers]; zeros for one word as long as there is none. The next call writes
            over it.
        """
        (count, beams), length = parents.shape, self._length
        rows = (photos[:, None] * beams + parents).reshape(-1)
        before = self._cache
        self._rooms.reverse()
        self._cache = self._room(len(rows))
        if length:
            # Each row's numbers are one element: numpy moves these several times as fast as it looks up axes. "clip"
            # moves them at once; with "raise" there would be another copy first.
            np.take(before[:length], rows, axis=2, out=self._cache[:length], mode="clip")
        else:
            self._cache[0] = 0
        return self._cache[: max(length, 1)].reshape(-1, self._parts, count, beams, self._numbers)

    def add(self, entry: Floats) -> None:
        """Keep what the decoder has computed for one more word of the beams followed last, [parts, photos, beams,
        numbers].
        """
        self._cache[self._length] = entry.reshape(self._parts, -1, self._numbers)
        self._length += 1

    def _room(self, rows: int) -> Floats:
        size = self._words * self._parts * rows * self._numbers
        return self._rooms[0][:size].reshape(self._words, self._parts, rows, self._numbers)
