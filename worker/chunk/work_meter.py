"""How long a worker takes for items of each kind: what the time left of jobs that wait is told from.

A moment in which several chunks are in hand is shared among them, for they share the machine. A chunk that has waited
for its hosts for long neither takes a share nor counts: it says how fast they are, and nothing of the next job.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from db.throughput import Pace

LONG_S = 10.0  # of waiting for the network: then a chunk no longer counts


@dataclass(slots=True)
class _InHand:
    kind: str
    busy_s: float = 0.0
    items: int = 0
    waits_since: float | None = None

    def waits_long(self, now: float) -> bool:
        return self.waits_since is not None and now - self.waits_since > LONG_S


class WorkMeter:
    """Counts items and time of the chunks that have ended. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = clock()
        self._in_hand: dict[int, _InHand] = {}
        self._items: defaultdict[str, int] = defaultdict(int)
        self._busy_s: defaultdict[str, float] = defaultdict(float)

    def begin(self, chunk_id: int, kind: str) -> None:
        """A chunk is in hand from now on."""
        with self._lock:
            self._share_out()
            self._in_hand[chunk_id] = _InHand(kind)

    def waits(self, chunk_id: int) -> None:
        """All that a chunk does is wait for the network."""
        with self._lock:
            if chunk_id in self._in_hand:
                self._in_hand[chunk_id].waits_since = self._clock()

    def finished(self, chunk_id: int, items: int) -> None:
        """So many items of a chunk have been stored."""
        with self._lock:
            if chunk_id in self._in_hand:
                self._in_hand[chunk_id].items += items

    def end(self, chunk_id: int) -> None:
        """A chunk is no longer in hand, whatever became of it."""
        with self._lock:
            self._share_out()
            chunk = self._in_hand.pop(chunk_id, None)
            if chunk is not None and not chunk.waits_long(self._last):
                self._items[chunk.kind] += chunk.items
                self._busy_s[chunk.kind] += chunk.busy_s

    def take(self) -> list[Pace]:
        """What has been counted since it was last taken."""
        with self._lock:
            found = [Pace(kind, self._items[kind], round(busy_s * 1000)) for kind, busy_s in self._busy_s.items()]
            self._items.clear()
            self._busy_s.clear()
            return found

    def _share_out(self) -> None:
        """Give the time since the last look to the chunks that kept the machine busy in it."""
        now = self._clock()
        busy = [chunk for chunk in self._in_hand.values() if not chunk.waits_long(now)]
        for chunk in busy:
            chunk.busy_s += (now - self._last) / len(busy)
        self._last = now
