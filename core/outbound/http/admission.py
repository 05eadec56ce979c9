"""Who may start a transfer now: a cap in all, a cap per host, and the hosts take turns."""

from __future__ import annotations

from collections import deque
from typing import Generic, TypeVar

Place = tuple[str, int]
T = TypeVar("T")


class Admission(Generic[T]):
    """Waiting transfers, first come first served per host; a host with a long queue does not hold up the others.

    Not thread-safe: it belongs to the client's loop.

    Args:
        total: most transfers at a time.
        per_host: most transfers at a time to one host and port.
    """

    def __init__(self, total: int, per_host: int) -> None:
        self._free = total
        self._per_host = per_host
        self._waiting: dict[Place, deque[T]] = {}
        self._active: dict[Place, int] = {}
        self._turns: deque[Place] = deque()  # hosts with something waiting and a free place

    def add(self, place: Place, item: T, *, first: bool = False) -> None:
        """Queue `item` for `place`; `first` puts what has begun already before what has not."""
        queue = self._waiting.get(place)
        if queue is None:
            queue = self._waiting[place] = deque()
            if self._active.get(place, 0) < self._per_host:
                self._turns.append(place)
        if first:
            queue.appendleft(item)
        else:
            queue.append(item)

    def take(self) -> tuple[Place, T] | None:
        """The next one to start, its place occupied until `release`; None: nobody can start now."""
        if not self._free or not self._turns:
            return None
        place = self._turns.popleft()
        queue = self._waiting[place]
        item = queue.popleft()
        self._free -= 1
        self._active[place] = self._active.get(place, 0) + 1
        if not queue:
            del self._waiting[place]
        elif self._active[place] < self._per_host:
            self._turns.append(place)
        return place, item

    def release(self, place: Place) -> None:
        """Give back the place of one that was taken."""
        self._free += 1
        active = self._active[place] - 1
        if active:
            self._active[place] = active
        else:
            del self._active[place]
        if active == self._per_host - 1 and place in self._waiting:
            self._turns.append(place)

    def drain(self) -> list[T]:
        """Everything that waits, which thereby no longer does."""
        items = [item for queue in self._waiting.values() for item in queue]
        self._waiting.clear()
        self._turns.clear()
        return items
