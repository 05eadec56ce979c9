"""Threads reserved for interactive jobs and for texts, which must not wait behind bulk photos."""

from __future__ import annotations

from collections.abc import Sequence

from core.settings import Settings
from core.states import Priority
from core.tasks import QUEUES
from worker.chunk.context import WorkerContext
from worker.chunk.pipeline import run_batch
from worker.rung_threads import Rung, RungThreads


class Claimers(RungThreads):
    """Claim beside the threads that Celery's messages run on, all of which may be busy with bulk work."""

    def __init__(self, context: WorkerContext, settings: Settings) -> None:
        def claim(queues: Sequence[str], priorities: Sequence[Priority]) -> Rung:
            return Rung(lambda: any(run_batch(context, queue, priorities) for queue in queues), queues)

        work = {f"interactive-{at}": claim(QUEUES, (Priority.INTERACTIVE,)) for at in range(settings.interactive_slots)}
        super().__init__(settings, {**work, "texts": claim(("text",), tuple(Priority))}, "could not claim")
