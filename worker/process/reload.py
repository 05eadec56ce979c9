"""SIGHUP: load what is new in the models folder, on a thread of its own."""

from __future__ import annotations

import logging
import os
import signal
import threading
from queue import SimpleQueue
from types import FrameType

from core.garbage import keep_for_good
from core.sighup import remember_terminal
from worker.chunk.context import WorkerContext

log = logging.getLogger(__name__)


class Reloader:
    """Reloads the models of a worker when it is asked to, once for each time it is asked.

    A request that comes before the worker is open is answered once it is.
    """

    def __init__(self) -> None:
        self._asked: SimpleQueue[bool] = SimpleQueue()  # a signal handler may put into it, whatever it interrupts
        self._terminal_gone = remember_terminal()

    def listen(self) -> None:
        """Handle SIGHUP, whatever handled it before; call from the main thread."""
        signal.signal(signal.SIGHUP, self._on_sighup)

    def start(self, context: WorkerContext) -> None:
        """Begin answering."""
        threading.Thread(target=self._serve, args=(context,), name="reload", daemon=True).start()

    def stop(self) -> None:
        """Answer no more; a reload under way is not waited for."""
        self._asked.put(False)

    def _on_sighup(self, number: int, frame: FrameType | None) -> None:
        if self._terminal_gone():
            os.kill(os.getpid(), signal.SIGTERM)  # an orderly stop, which gives back what is in hand
        else:
            self._asked.put(True)

    def _serve(self, context: WorkerContext) -> None:
        while self._asked.get():
            try:
                context.models.reload()
                keep_for_good()
            except Exception:
                log.exception("the reload failed; the models stay as they are")
            if context.stopping.is_set():
                return  # signing off comes last
            try:
                context.leases.beat()  # now: the API promises a version as soon as a live worker says that it has it
            except Exception as error:
                log.error("what is warm could not be reported; the next heartbeat does: %s", error)
