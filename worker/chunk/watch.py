"""Waiting for what a chunk is made of, without hanging on when there is no point in it any more."""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from time import monotonic
from typing import Any

from core.errors import ItemError, LeaseLost
from db.claims import Claim
from worker.process.context import WorkerContext

CHUNK_TIMEOUT_S = 900.0  # no stage may take this long; if one does, its items fail instead of hanging for ever
DRAIN_S = 6.0  # a worker that is asked to stop finishes what it can within this time
POLL_S = 0.25


class Interrupted(Exception):
    """The chunk is not going to be finished here: it was lost, or the worker stops."""


class Watch:
    """Waits for a chunk's futures, and gives up when the chunk is lost, the worker stops or time is up."""

    def __init__(self, context: WorkerContext, claim: Claim) -> None:
        self._context = context
        self._claim = claim
        self._deadline = monotonic() + CHUNK_TIMEOUT_S
        self._drained: float | None = None
        self.window = threading.BoundedSemaphore(context.settings.chunk_window)

    @property
    def stopping(self) -> bool:
        """Whether the worker was asked to stop."""
        return self._context.stopping.is_set()

    def check(self) -> None:
        """Raises whatever speaks against going on."""
        if self._context.leases.lost(self._claim):
            raise LeaseLost(self._claim.chunk_id)
        if self.stopping:
            self._drained = self._drained or monotonic() + DRAIN_S
            if monotonic() > self._drained:
                raise Interrupted
        if monotonic() > self._deadline:
            raise ItemError("worker_timeout", "The worker gave up on this item.", permanent=False)

    def enter_window(self) -> None:
        """Wait for a place among the chunk's images in memory."""
        while not self.window.acquire(timeout=POLL_S):
            self.check()

    def result(self, future: Future[Any]) -> Any:
        """What the future holds."""
        while not future.done():
            wait((future,), timeout=POLL_S)
            if not future.done():
                self.check()
        return future.result()
