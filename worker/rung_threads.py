"""Threads that look for work when the worker is rung, and once a second since rings may be lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping

from core.broker import DoorbellListener
from core.settings import Settings

log = logging.getLogger(__name__)

POLL_S = 1.0


class RungThreads:
    """A thread for each kind of work, until they are closed.

    Args:
        settings: where the bell is.
        work: by the thread's name, what does some of its work; False if there was none.
        trouble: what could not be done if the database is away, for the log.
    """

    def __init__(self, settings: Settings, work: Mapping[str, Callable[[], object]], trouble: str) -> None:
        self._stop, self._trouble = threading.Event(), trouble
        self._wakes = [self._begin(name, each) for name, each in work.items()]
        self._listener = DoorbellListener(settings, self._ring)

    def close(self) -> None:
        """Begin nothing more. What is in hand is for the worker to give back when it stops."""
        self._stop.set()
        self._listener.close()
        self._ring()

    def _ring(self) -> None:
        for event in self._wakes:
            event.set()

    def _begin(self, name: str, work: Callable[[], object]) -> threading.Event:
        wake = threading.Event()

        def look() -> None:
            while not self._stop.is_set():
                wake.wait(POLL_S)
                wake.clear()
                try:
                    while not self._stop.is_set() and work():
                        pass
                except Exception as error:  # the database is away: the next poll tries again
                    log.error("%s: %s", self._trouble, error)

        threading.Thread(target=look, name=name, daemon=True).start()
        return wake
