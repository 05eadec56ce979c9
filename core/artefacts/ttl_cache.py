"""A cache of one value that is costly to find out and may be a moment old."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

T = TypeVar("T")


class TtlCache(Generic[T]):
    """Keeps what `find` returned for `max_age_s` seconds; safe to share between threads.

    One caller at a time calls `find`. Meanwhile the others get the old value, if there is one, and wait otherwise.

    Args:
        find: may raise; then nothing is kept.
        max_age_s: 0: nothing is ever kept.
    """

    def __init__(self, find: Callable[[], T], max_age_s: float) -> None:
        self._find = find
        self._max_age_s = max_age_s
        self._lock = threading.Lock()
        self._known: tuple[float, T] | None = None  # when `find` was called, what it returned

    def __call__(self) -> T:
        known = self._known
        if known is not None and monotonic() - known[0] < self._max_age_s:
            return known[1]
        if not self._lock.acquire(blocking=known is None or self._max_age_s == 0):
            assert known is not None
            return known[1]
        try:
            if known is not self._known and self._known is not None and self._max_age_s > 0:
                return self._known[1]  # another thread called `find` while this one waited
            started = monotonic()
            value = self._find()
            self._known = (started, value)
            return value
        finally:
            self._lock.release()
