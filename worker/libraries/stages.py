"""The threads that do a worker's part of libraries' runs, and answer searches and first looks."""

from __future__ import annotations

import logging
from collections.abc import Callable

from core.errors import LeaseLost
from core.settings import Settings
from core.states import RunStage, RunState
from db.library_ends import end_run
from db.library_runs import (
    RunClaim,
    claim_stage,
    hold,
    release_stage,
    renew_stage,
    run_numbered,
    stage_waits,
)
from worker.chunk.context import WorkerContext
from worker.libraries.directions import answer_questions
from worker.libraries.first_looks import answer_requests
from worker.libraries.list_source import list_source
from worker.libraries.relabel import relabel
from worker.libraries.save_sidecars import save_of_run, save_unsaved
from worker.libraries.stage_lease import StageLease, Stopping
from worker.rung_threads import Rung, RungThreads

log = logging.getLogger(__name__)

PAUSE_MS = 3_000  # before a stage that failed is tried again
MOST_ATTEMPTS = 20  # without getting any further: a machine may be killed several times in a night
STAGES: dict[RunStage, Callable[[WorkerContext, StageLease], None]] = {
    RunStage.LIST: list_source,
    RunStage.RELABEL: relabel,
    RunStage.SIDECARS: save_of_run,
}


class LibraryStages(RungThreads):
    """Looks for stages of runs, for sidecars, and for questions of searches.

    A stage in hand sees by itself that the worker stops, and is given back.
    """

    def __init__(self, context: WorkerContext, settings: Settings) -> None:
        work = {
            "libraries": Rung(lambda: run_stage(context)),
            "sidecars": Rung(lambda: save_unsaved(context)),
            "searches": Rung(lambda: answer_questions(context)),
            "first looks": Rung(lambda: answer_requests(context)),
        }
        super().__init__(settings, work, "could not look after libraries")


def run_stage(context: WorkerContext) -> bool:
    """Do a stage of a run that waits for a worker; False if there was none."""
    if context.stopping.is_set():
        return False
    lease_s = context.settings.lease_s
    with context.database.read() as session:  # reading costs less than the lock that a claim takes
        waits = stage_waits(session, list(STAGES))
    if not waits:
        return False
    with context.database.write() as session:
        claim = claim_stage(session, worker=context.leases.worker, lease_ms=round(lease_s * 1000), stages=list(STAGES))
    if claim is None:
        return False
    if claim.attempts > MOST_ATTEMPTS:
        _give_up(context, claim)
        return True
    try:
        with StageLease(context.database, claim, lease_s, context.stopping) as lease:
            STAGES[claim.stage](context, lease)
    except Stopping:
        with context.database.write() as session:
            release_stage(session, claim)
    except LeaseLost:
        log.warning("lost a run's stage; another worker goes on with it, or the run has ended")
    except Exception:
        log.exception("a run's stage failed; it goes on where it was", extra={"stage": claim.stage})
        with context.database.write() as session:
            renew_stage(session, claim, lease_ms=PAUSE_MS)
    return True


def _give_up(context: WorkerContext, claim: RunClaim) -> None:
    """End a run whose stage has killed or defeated every worker that tried it."""
    with context.database.write() as session:
        hold(session, claim)
        run = run_numbered(session, claim.number)
        assert run is not None
        message = f"The stage {claim.stage} did not come to its end, however often it was tried; the log says why."
        end_run(session, run, RunState.FAILED, code="run_stage_failed", message=message)
