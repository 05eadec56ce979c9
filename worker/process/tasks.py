"""The Celery task: a message makes this worker look for a chunk."""

from __future__ import annotations

import logging

from celery import Celery

from core.broker import RUN_BATCH
from worker.chunk.context import WorkerContext
from worker.chunk.pipeline import run_batch

log = logging.getLogger(__name__)


def register_tasks(app: Celery, context: WorkerContext) -> None:
    """Register the task, which is run by this worker."""

    @app.task(name=RUN_BATCH)
    def answer(queue: str) -> None:
        try:
            if not context.stopping.is_set():
                run_batch(context, queue)
        except Exception:
            # Nothing is lost: the chunk's lease runs out, or was never taken, and the scheduler rings again.
            log.exception("a batch could not be run", extra={"queue": queue})
