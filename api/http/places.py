"""Places for requests that wait: how many there may be, and how many of one tenant."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from core.errors import RequestError


class Places:
    """A limited number of places, of which one tenant can take half: the other half stays free for the others.

    Whoever waits holds a socket and a little memory, and no thread.
    """

    def __init__(self, total: int) -> None:
        self._total = total
        self._each = -(-total // 2)
        self._taken: Counter[str] = Counter()
        self._lock = threading.Lock()

    def enter(self, tenant_id: str) -> Place:
        """Take a place, to be left with `leave`.

        Raises:
            RequestError: `too_many_waiting`.
        """
        with self._lock:
            if self._taken.total() >= self._total:
                message = f"All {self._total:,} places for requests that wait are taken."
            elif self._taken[tenant_id] >= self._each:
                message = f"{self._each:,} requests of yours wait already, and no more may at a time."
            else:
                self._taken[tenant_id] += 1
                return Place(lambda: self._leave(tenant_id))
        raise RequestError("too_many_waiting", f"{message} Ask without waiting, or come back later.")

    def taken(self) -> int:
        """How many wait."""
        with self._lock:
            return self._taken.total()

    def _leave(self, tenant_id: str) -> None:
        with self._lock:
            self._taken[tenant_id] -= 1
            if not self._taken[tenant_id]:
                del self._taken[tenant_id]


class Place:
    """The place of a request that waits."""

    def __init__(self, free: Callable[[], None]) -> None:
        self._free = [free]

    def leave(self) -> None:
        """Give the place back; the second time does nothing."""
        try:
            free = self._free.pop()
        except IndexError:
            return
        free()
