"""Something that is costly to find out and may be a moment old."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class Recent(Generic[T]):
    """Remembers what `find` said for a while; safe to share between threads.

    One caller at a time finds out anew. The others need not wait for it, as long as there is something to give them.

    Args:
        find: may raise; then nothing is remembered.
        max_age_s: 0: nothing is remembered at all.
    """

    def __init__(self, find: Callable[[], T], max_age_s: float) -> None:
        self._find = find
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._known: tuple[float, T] | None = None  # when it was begun to be found out

    def __call__(self) -> T:
        known = self._known
        if known is not None and monotonic() - known[0] < self._max_age_s:
            return known[1]
        if not self._lock.acquire(blocking=known is None or self._max_age_s == 0):
            assert known is not None
            return known[1]
        try:
            if known is not self._known and self._known is not None and self._max_age_s > 0:
                return self._known[1]  # somebody found out while we waited
            started = monotonic()
            value = self._find()
            self._known = (started, value)
            return value
        finally:
            self._lock.release()
