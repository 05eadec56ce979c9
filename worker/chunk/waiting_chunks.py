"""Chunks that only wait for the network, all driven by one thread, so that they hold none that others need."""

from __future__ import annotations

import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING

from core.states import Priority

if TYPE_CHECKING:  # a chunk under way has the context, which has this
    from worker.chunk.run import ChunkRun

log = logging.getLogger(__name__)

POLL_S = 0.25
DRAIN_S = 8.0
PUT_BACK_S = 15.0  # a chunk that had to make room is not claimed before


class WaitingChunks:
    """Holds and drives chunks whose items are all being fetched.

    Args:
        capacity: of bulk chunks; interactive ones have as much room again, and beyond that the one that has waited
            longest is put back.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._runs: list[ChunkRun] = []  # in the order in which they came
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._drive, name="waiting-chunks", daemon=True)
        self._thread.start()

    @property
    def full(self) -> bool:
        """Whether there is no room for another bulk chunk."""
        return len(self._runs) >= self._capacity

    def runs(self) -> list[ChunkRun]:
        """The chunks that wait now."""
        with self._lock:
            return list(self._runs)

    def add(self, run: ChunkRun) -> None:
        """Take over a chunk; the caller must not step it any more."""
        with self._lock:
            self._runs.append(run)
            run.changed = self._changed
            crowded = len(self._runs) > 2 * self._capacity
            longest = next((one for one in self._runs if one.claim.priority != Priority.INTERACTIVE), self._runs[0])
        self._changed.set()
        if crowded:
            log.warning("too many chunks wait for the network; one makes room", extra={"job": longest.claim.job_id})
            longest.give_back(PUT_BACK_S)

    def close(self) -> None:
        """Wait until the chunks are given back, as they are when the worker stops; then stop the thread."""
        until = monotonic() + DRAIN_S
        while self._runs and monotonic() < until:
            self._stop.wait(POLL_S)
        for run in self.runs():
            run.give_back()
        self._stop.set()
        self._changed.set()
        self._thread.join(timeout=10)

    def _drive(self) -> None:
        while not self._stop.is_set():
            self._changed.wait(POLL_S)
            self._changed.clear()
            done = [run for run in self.runs() if not run.step()]
            if done:
                with self._lock:
                    self._runs = [run for run in self._runs if run not in done]
