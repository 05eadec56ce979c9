"""The order of a lane: interactive items before bulk ones; within a priority, tenants take turns item by item.

Items that come together are queued as one entry and taken in parts, in the very order in which each alone would be.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from worker.inference.in_flight import ItemKey


class Outcome(Protocol):
    """Who is told what becomes of items that were queued together, from the lane's threads; it must be quick."""

    def begin(self) -> bool:
        """Whether the items are still wanted; asked of each part of them that leaves for the model."""
        ...

    def done(self, first: int, results: Sequence[Any]) -> None:
        """Raw results of neighbours among them, from the one at `first` on."""
        ...

    def fail(self, first: int, last: int, error: Exception) -> None:
        """Those from `first` to `last`, that one not included, have no result."""
        ...


@dataclass(order=True, slots=True)
class Entry:
    """Items that wait for a batch. `start` is their tenant's virtual time, of the first one that is left."""

    priority: int
    start: int
    number: int  # first come, first served among equals
    items: Any = field(compare=False)  # a list, or whatever has a length and can be sliced like one
    keys: Sequence[ItemKey] = field(compare=False)
    outcome: Outcome = field(compare=False)
    first: int = field(compare=False, default=0)  # those before it have been taken


@dataclass(frozen=True, slots=True)
class Part:
    """Neighbours among the items of an entry, from `first` to `last`, that one not included."""

    entry: Entry
    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first

    @property
    def items(self) -> Any:
        return self.entry.items[self.first : self.last]

    @property
    def keys(self) -> Sequence[ItemKey]:
        return self.entry.keys[self.first : self.last]


class FairQueue:
    """Start-time fair queueing (Goyal et al., 1996) with items as the measure. Not safe for threads: its lane locks.

    A tenant's item starts one unit after its item before, and never before what is being served now; so a tenant with a
    thousand items waiting and one with ten get the same share, and one that was idle saves nothing up.
    """

    def __init__(self) -> None:
        self._heap: list[Entry] = []
        self._size = 0
        self._numbers = itertools.count()
        self._now: dict[int, int] = {}  # priority: virtual time of what was served last
        self._next: dict[tuple[int, str], int] = {}  # priority and tenant: where its next item starts

    def __len__(self) -> int:
        return self._size

    @property
    def priority(self) -> int:
        """Of what is served next."""
        return self._heap[0].priority

    def put(self, items: Any, priority: int, tenant: str, keys: Sequence[ItemKey], outcome: Outcome) -> None:
        """Queue items of one tenant, which keep their order; `keys` are theirs."""
        if not len(items):
            return
        start = max(self._now.get(priority, 0), self._next.get((priority, tenant), 0))
        self._next[priority, tenant] = start + len(items)
        self._size += len(items)
        heapq.heappush(self._heap, Entry(priority, start, next(self._numbers), items, keys, outcome))

    def take(self, count: int) -> list[Part]:
        """The next `count` items, or as many as there are; of each entry one part.

        What is less urgent than the first fills it up to a quarter alone: an interactive photo would take as long as
        all the bulk photos beside it, and if none went beside it, many interactive ones would stop bulk for good.
        """
        taken: dict[int, tuple[Entry, int, int]] = {}  # by the entry's number: it, from where, to where
        enough = count // 4
        left = count = min(count, self._size)
        priority = self.priority if left else 0
        while left and self._heap:
            entry = self._heap[0]
            room = left if entry.priority == priority else min(left, enough - (count - left))
            if room <= 0:
                break
            some = min(room, len(entry.items) - entry.first, self._turn(entry))
            _, first, _ = taken.get(entry.number, (entry, entry.first, 0))
            taken[entry.number] = (entry, first, entry.first + some)
            self._now[entry.priority] = entry.start + some - 1
            entry.start, entry.first, left = entry.start + some, entry.first + some, left - some
            if entry.first == len(entry.items):
                heapq.heappop(self._heap)
            else:
                heapq.heapreplace(self._heap, entry)
        self._size -= count - left
        if not self._heap:  # all tenants start level again
            self._now.clear()
            self._next.clear()
        return [Part(*part) for part in taken.values()]

    def drain(self) -> list[Part]:
        """Take everything."""
        found = []
        while self._size:
            found += self.take(self._size)
        return found

    def _turn(self, entry: Entry) -> int:
        """How many items of the first entry go before any of another."""
        others = self._heap[1:3]  # one of them is the second of the heap
        if not others or min(others).priority > entry.priority:
            return len(entry.items)
        second = min(others)
        return max(1, second.start - entry.start + (entry.number < second.number))
