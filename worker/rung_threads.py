"""Threads that look for work when the worker is rung, and once a second since rings may be lost."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from core.broker import DoorbellListener
from core.settings import Settings

log = logging.getLogger(__name__)

POLL_S = 1.0
ALL = ""  # what is rung where no queue is meant, see `Doorbell.wake`


@dataclass(frozen=True, slots=True)
class Rung:
    """Some work of a thread.

    Attributes:
        work: does some of it; False if there was none.
        queues: whose rings it is for. Threads that are woken for nothing keep those from running that are meant.
    """

    work: Callable[[], object]
    queues: Collection[str] = ()


class RungThreads:
    """A thread for each kind of work, until they are closed.

    Args:
        settings: where the bell is.
        work: by the thread's name.
        trouble: what could not be done if the database is away, for the log.
    """

    def __init__(self, settings: Settings, work: Mapping[str, Rung], trouble: str) -> None:
        self._stop, self._trouble = threading.Event(), trouble
        self._wakes = [(each.queues, self._begin(name, each.work)) for name, each in work.items()]
        self._listener = DoorbellListener(settings, self._ring)

    def close(self) -> None:
        """Begin nothing more. What is in hand is for the worker to give back when it stops."""
        self._stop.set()
        self._listener.close()
        self._ring(ALL)

    def _ring(self, queue: str) -> None:
        for queues, event in self._wakes:
            if queue == ALL or queue in queues:
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
