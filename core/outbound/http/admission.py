"""Who may start a transfer now: a cap in all, a cap per host, interactive before bulk, and the hosts take turns."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from core.states import Priority

Place = tuple[str, int]
T = TypeVar("T")

_BULK_TURN = 8  # one start in so many goes to bulk while both wait
_SILENT_TIMES = 3


class Admission(Generic[T]):
    """Waiting transfers, first come first served per host; a host with a long queue does not hold up the others.

    A transfer whose host has sent nothing for a while can be taken out of the count (`hush`): any number of silent
    hosts then leaves room for those that answer. Not thread-safe: it belongs to the client's loop.

    Args:
        total: most transfers at a time, silent ones not counted, of which there may be three times as many.
        per_host: most transfers at a time to one host and port, silent ones counted.
        kept: of `total`, never taken by bulk transfers.
    """

    def __init__(self, total: int, per_host: int, kept: int = 0) -> None:
        self._free = self._total = total
        self._free_for = {Priority.INTERACTIVE: total, Priority.BULK: total - kept}
        self._may_be_silent = total * _SILENT_TIMES
        self._per_host = per_host
        self._active: dict[Place, int] = {}
        self._levels = {priority: _Level[T]() for priority in Priority}
        self._turn = 0

    def add(self, place: Place, item: T, *, priority: Priority = Priority.BULK, first: bool = False) -> None:
        """Queue `item` for `place`; `first` puts what has begun already before what has not."""
        self._levels[priority].add(place, item, first=first)

    def take(self, may_start: Callable[[Place, T], bool] = lambda place, item: True) -> tuple[Place, T] | None:
        """The next one to start, its place occupied until `release`; None: nobody can start now.

        Args:
            may_start: whether the one whose turn it is at a host may; if not, its host has no turn until `offer`.
        """
        if self._free <= 0:
            return None
        self._turn += 1
        order = tuple(Priority)
        for priority in order if self._turn % _BULK_TURN else reversed(order):
            if self._free_for[priority] <= 0:
                continue
            taken = self._levels[priority].take(
                lambda place, item: self._active.get(place, 0) < self._per_host and may_start(place, item)
            )
            if taken is not None:
                self._count(priority, 1)
                self._active[taken[0]] = self._active.get(taken[0], 0) + 1
                return taken
        return None

    def release(self, place: Place, priority: Priority = Priority.BULK, *, silent: bool = False) -> None:
        """Give back the place of one that was taken; `silent`: it is out of the count."""
        if silent:
            self._may_be_silent += 1
        else:
            self._count(priority, -1)
        active = self._active[place] - 1
        if active:
            self._active[place] = active
        else:
            del self._active[place]
        self.offer(place)

    def offer(self, place: Place) -> None:
        """Give a host its turn: somebody may start there again."""
        for level in self._levels.values():
            level.offer(place)

    def waiting(self, place: Place, priority: Priority) -> int:
        """How many wait for a host."""
        return self._levels[priority].waiting(place)

    def share(self, paused: int = 0) -> float:
        """The part of what may be under way, at the hosts that are asked now, that is: 1 if more would have to wait for
        the network. `paused` ones wait for something else."""
        hosts = max(len(self._active), *(level.hosts for level in self._levels.values()))
        most = min(self._total, self._per_host * hosts)
        return min(1.0, max(0, self._total - self._free - paused) / most) if most else 0.0

    def hush(self, priority: Priority) -> bool:
        """Take a silent transfer out of the count; False: there are too many of them."""
        if not self._may_be_silent:
            return False
        self._may_be_silent -= 1
        self._count(priority, -1)
        return True

    def unhush(self, priority: Priority) -> None:
        """Count a silent transfer again, for its host has begun to answer; nothing starts until there is room."""
        self._may_be_silent += 1
        self._count(priority, 1)

    def drain(self, place: Place | None = None) -> list[T]:
        """Everything that waits, or waits for one host, and thereby no longer does."""
        return [item for level in self._levels.values() for item in level.drain(place)]

    def _count(self, priority: Priority, change: int) -> None:
        self._free -= change
        self._free_for[priority] -= change


class _Level(Generic[T]):
    """What waits at one priority. Every host with something waiting and a free place has a turn to come."""

    def __init__(self) -> None:
        self._waiting: dict[Place, deque[T]] = {}
        self._turns: deque[Place] = deque()
        self._listed: set[Place] = set()

    def add(self, place: Place, item: T, *, first: bool) -> None:
        queue = self._waiting.setdefault(place, deque())
        if first:
            queue.appendleft(item)
        else:
            queue.append(item)
        self.offer(place)

    @property
    def hosts(self) -> int:
        return len(self._waiting)

    def offer(self, place: Place) -> None:
        """Give a host with something waiting its turn."""
        if place in self._waiting and place not in self._listed:
            self._listed.add(place)
            self._turns.append(place)

    def waiting(self, place: Place) -> int:
        return len(self._waiting.get(place, ()))

    def take(self, free: Callable[[Place, T], bool]) -> tuple[Place, T] | None:
        while self._turns:
            place = self._turns.popleft()
            self._listed.discard(place)
            queue = self._waiting.get(place)
            if queue is None or not free(place, queue[0]):  # it is offered again when it is free
                continue
            item = queue.popleft()
            if queue:
                self.offer(place)
            else:
                del self._waiting[place]
            return place, item
        return None

    def drain(self, place: Place | None) -> list[T]:
        places = list(self._waiting) if place is None else [place] if place in self._waiting else []
        return [item for each in places for item in self._waiting.pop(each)]
