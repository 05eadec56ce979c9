"""Ends a worker in which a model, or the decoding of a photo, hangs.

A thread that hangs in native code cannot be stopped; only its process can. What is in hand is given back
first, so that it need not wait for leases to run out.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence

from core.heartbeat import Heartbeat
from worker.chunk.context import WorkerContext
from worker.inference.in_flight import RunningWork

log = logging.getLogger(__name__)

EXIT_HUNG = 75  # EX_TEMPFAIL (sysexits.h): start it again
WATCH_S = 1.0


class Watchdog:
    """Checks every second whether something has been running for too long, and shows the supervisor that it does."""

    def __init__(self, context: WorkerContext, end: Callable[[int], object] = os._exit) -> None:
        """`end` is called with the exit code, when everything in hand has been given back."""
        self._context = context
        self._end = end
        self._stop = threading.Event()
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def close(self) -> None:
        """Stop checking."""
        self._stop.set()

    def _watch(self) -> None:
        heartbeat = Heartbeat(self._context.settings.heartbeat_file)
        while not self._stop.wait(WATCH_S):
            heartbeat.beat()
            hung = self._context.in_flight.older_than(self._context.settings.stall_timeout_s)
            if hung:
                self._give_up(hung)
                return

    def _give_up(self, hung: Sequence[RunningWork]) -> None:
        names = sorted({one.what for one in hung})
        log.critical("hangs: this worker gives its chunks back and ends", extra={"what": names})
        self._context.stopping.set()
        suspects: dict[int, set[int]] = defaultdict(set)
        for chunk_id, seq in (key for one in hung for key in one.items):
            suspects[chunk_id].add(seq)
        for run in list(self._context.runs):
            run.give_back(suspects=frozenset(suspects.get(run.claim.chunk_id, ())))
        self._end(EXIT_HUNG)
