"""How long a worker takes for items of each kind: what the time left of jobs that wait is told from.

A moment in which several chunks are in hand is shared among them, for they share the machine. A time in which a chunk
has waited for its hosts for long does not count: it says how fast they are, and nothing of the next job.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from db.throughput import Pace

LONG_S = 10.0  # of waiting for the network: then it no longer counts


@dataclass(slots=True)
class _InHand:
    kind: str
    size: int
    busy_s: float = 0.0
    items: int = 0
    waits_since: float | None = None
    waited_s: float = 0.0  # of its share of the time, what may yet turn out to be a part of a long wait

    def waits_long(self, now: float) -> bool:
        return self.waits_since is not None and now - self.waits_since > LONG_S

    def work_on(self, now: float) -> None:
        """Whatever it has waited for has come, or will not."""
        if not self.waits_long(now):
            self.busy_s += self.waited_s
        self.waits_since, self.waited_s = None, 0.0


class WorkMeter:
    """Counts items and time of the chunks that have ended. Safe to share between threads."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = clock()
        self._in_hand: dict[int, _InHand] = {}
        self._items: defaultdict[str, int] = defaultdict(int)
        self._busy_s: defaultdict[str, float] = defaultdict(float)

    def begin(self, chunk_id: int, kind: str, size: int) -> None:
        """A chunk of so many items is in hand from now on."""
        with self._lock:
            self._share_out()
            self._in_hand[chunk_id] = _InHand(kind, size)

    def waits(self, chunk_id: int) -> None:
        """All that a chunk does is wait for the network, from now on or still."""
        with self._lock:
            chunk = self._in_hand.get(chunk_id)
            if chunk is not None and chunk.waits_since is None:
                self._share_out()
                chunk.waits_since = self._last

    def works(self, chunk_id: int) -> None:
        """An item of a chunk has come from the network, and keeps the machine busy."""
        with self._lock:
            chunk = self._in_hand.get(chunk_id)
            if chunk is not None and chunk.waits_since is not None:
                self._share_out()
                chunk.work_on(self._last)

    def succeeded(self, chunk_id: int, items: int) -> None:
        """So many items of a chunk have been stored that a model has seen. What failed is quick, as a dead link is."""
        with self._lock:
            chunk = self._in_hand.get(chunk_id)
            if chunk is not None:
                chunk.items += items

    def end(self, chunk_id: int) -> None:
        """A chunk is no longer in hand, whatever became of it; if it is too little, neither it nor its time counts."""
        with self._lock:
            self._share_out()
            chunk = self._in_hand.pop(chunk_id, None)
            if chunk is None:
                return
            chunk.work_on(self._last)
            # Items that took no time would make the others look quick; time without items, as of a chunk that was
            # cancelled or whose links are dead, would make them look slow.
            if chunk.busy_s and chunk.items * 2 >= chunk.size:
                self._items[chunk.kind] += chunk.items
                self._busy_s[chunk.kind] += chunk.busy_s

    def counted(self) -> list[Pace]:
        """What has been counted and not been told yet."""
        with self._lock:
            paces = [Pace(kind, self._items[kind], round(busy_s * 1000)) for kind, busy_s in self._busy_s.items()]
            return [pace for pace in paces if pace.items or pace.busy_ms]

    def told(self, paces: Iterable[Pace]) -> None:
        """So much of it is in the database now."""
        with self._lock:
            for pace in paces:
                self._items[pace.kind] -= pace.items
                self._busy_s[pace.kind] -= pace.busy_ms / 1000

    def _share_out(self) -> None:
        """Give the time since the last look to the chunks that kept the machine busy in it."""
        now = self._clock()
        busy = [chunk for chunk in self._in_hand.values() if not chunk.waits_long(now)]
        for chunk in busy:
            share = (now - self._last) / len(busy)
            if chunk.waits_since is None:
                chunk.busy_s += share
            else:
                chunk.waited_s += share
        self._last = now
