"""The order of a lane: interactive items before bulk ones; within a priority, tenants take turns item by item."""

from __future__ import annotations

import heapq
import itertools
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from worker.inference.in_flight import ItemKey


@dataclass(order=True, slots=True)
class QueuedItem:
    """An item that waits for a batch. `start` is its tenant's virtual time."""

    priority: int
    start: int
    number: int  # first come, first served among equals
    item: Any = field(compare=False)
    key: ItemKey = field(compare=False)
    result: Future[Any] = field(compare=False)


class FairQueue:
    """Start-time fair queueing (Goyal et al., 1996) with items as the measure. Not safe for threads: its lane locks.

    A tenant's item starts one unit after its item before, and never before what is being served now; so a tenant with a
    thousand items waiting and one with ten get the same share, and one that was idle saves nothing up.
    """

    def __init__(self) -> None:
        self._heap: list[QueuedItem] = []
        self._numbers = itertools.count()
        self._now: dict[int, int] = {}  # priority: virtual time of what was served last
        self._next: dict[tuple[int, str], int] = {}  # priority and tenant: where its next item starts

    def __len__(self) -> int:
        return len(self._heap)

    def put(self, item: Any, priority: int, tenant: str, key: ItemKey, result: Future[Any]) -> None:
        """Queue an item."""
        start = max(self._now.get(priority, 0), self._next.get((priority, tenant), 0))
        self._next[priority, tenant] = start + 1
        heapq.heappush(self._heap, QueuedItem(priority, start, next(self._numbers), item, key, result))

    def take(self, count: int) -> list[QueuedItem]:
        """The next `count` items, or as many as there are."""
        taken = [heapq.heappop(self._heap) for _ in range(min(count, len(self._heap)))]
        for waiting in taken:
            self._now[waiting.priority] = waiting.start
        if not self._heap:  # all tenants start level again
            self._now.clear()
            self._next.clear()
        return taken

    def drain(self) -> list[QueuedItem]:
        """Take everything."""
        return self.take(len(self._heap))
