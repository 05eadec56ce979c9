"""Threads reserved for interactive jobs and for texts, which must not wait behind bulk photos."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from core.broker import DoorbellListener
from core.settings import Settings
from core.states import Priority
from core.tasks import QUEUES
from worker.chunk.context import WorkerContext
from worker.chunk.pipeline import run_batch

log = logging.getLogger(__name__)

POLL_S = 1.0  # since rings may be lost


class Claimers:
    """Claim beside the threads that Celery's messages run on, all of which may be busy with bulk work."""

    def __init__(self, context: WorkerContext, settings: Settings) -> None:
        self._context = context
        self._stop = threading.Event()
        self._wakes = [
            self._begin(f"interactive-{number}", QUEUES, (Priority.INTERACTIVE,))
            for number in range(settings.interactive_slots)
        ]
        self._wakes.append(self._begin("texts", ("text",), tuple(Priority)))
        self._listener = DoorbellListener(settings, self._ring)

    def close(self) -> None:
        """Claim no more. Chunks in hand are given back when the worker stops."""
        self._stop.set()
        self._listener.close()
        self._ring()

    def _ring(self) -> None:
        for event in self._wakes:
            event.set()

    def _begin(self, name: str, queues: Sequence[str], priorities: Sequence[Priority]) -> threading.Event:
        wake = threading.Event()

        def claim() -> None:
            while not self._stop.is_set():
                wake.wait(POLL_S)
                wake.clear()
                try:
                    while any(run_batch(self._context, queue, priorities) for queue in queues):
                        if self._stop.is_set():
                            return
                except Exception as error:  # the database is away: the next poll tries again
                    log.error("could not claim: %s", error)

        threading.Thread(target=claim, name=name, daemon=True).start()
        return wake
