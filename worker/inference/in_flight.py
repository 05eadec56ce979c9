"""What is running and since when, so that a model that hangs is noticed."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

ItemKey = tuple[int, int]  # chunk id, seq


@dataclass(frozen=True, slots=True)
class RunningWork:
    """Work that occupies a thread: a batch in a model, or a photo being decoded."""

    what: str
    items: tuple[ItemKey, ...]
    since: float


class InFlight:
    """A register of running work; safe to share between threads.

    Args:
        changed: told what of, and 1 when some begins or -1 when it ends; must be quick.
    """

    def __init__(self, changed: Callable[[str, int], object] = lambda what, by: None) -> None:
        self._changed = changed
        self._running: dict[int, RunningWork] = {}
        self._numbers = itertools.count()
        self._lock = threading.Lock()

    @contextmanager
    def track(self, what: str, items: Sequence[ItemKey]) -> Iterator[None]:
        """Register the work of a block: what it is, and for which items."""
        number = next(self._numbers)
        with self._lock:
            self._running[number] = RunningWork(what, tuple(items), monotonic())
        self._changed(what, 1)
        try:
            yield
        finally:
            self._changed(what, -1)
            with self._lock:
                del self._running[number]

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        return not self._running

    def older_than(self, seconds: float) -> list[RunningWork]:
        """What has run for longer than that."""
        before = monotonic() - seconds
        with self._lock:
            return [one for one in self._running.values() if one.since < before]
