"""A worker inside the test's own process: chunks run to their end."""

from __future__ import annotations

from tests.support.waiting import until
from worker.chunk.context import WorkerContext
from worker.chunk.pipeline import run_batch


def run_chunk(context: WorkerContext, queue: str) -> bool:
    """Claim a chunk and wait until it is dealt with, whoever drives it; False if there was none."""
    found = run_batch(context, queue)
    until(lambda: not context.runs, what="the end of the chunk")
    return found
