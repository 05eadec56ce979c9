"""The threads that decode photos and prepare texts, the most urgent first."""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


class Decoders:
    """A pool of threads whose queue is ordered by priority, so that bulk photos delay no interactive items.

    Args:
        threads: how many.
    """

    def __init__(self, threads: int) -> None:
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        for number in range(threads):
            threading.Thread(target=self._serve, name=f"decode-{number}", daemon=True).start()

    def submit(self, priority: int, work: Callable[[], None]) -> None:
        """Queue some work, which must not raise; lower priorities go first.

        Raises:
            RuntimeError: the pool is closed.
        """
        with self._changed:
            if self._closed:
                raise RuntimeError("the decoders are closed")
            heapq.heappush(self._queue, (priority, next(self._numbers), work))
            self._changed.notify()

    def close(self) -> None:
        """Take no more; what is queued is dropped, what runs is not waited for."""
        with self._changed:
            self._closed = True
            self._queue.clear()
            self._changed.notify_all()

    def _serve(self) -> None:
        while (work := self._next()) is not None:
            try:
                work()
            except Exception:
                log.exception("unexpected error in a decoding thread")
            del work  # with the photo that it decoded

    def _next(self) -> Callable[[], None] | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closed)
            return heapq.heappop(self._queue)[2] if self._queue else None
