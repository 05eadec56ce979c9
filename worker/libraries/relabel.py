"""Labels anew for a whole library, from its photos' embeddings: another vocabulary, threshold or list of labels of
one's own, without reading a photo."""

from __future__ import annotations

from core.errors import TaglineError
from core.states import RunState
from db.library_ends import end_run
from db.library_relabel import NewLabels, due_slice, end_relabel, relabel_plan, store_relabelled
from db.library_runs import hold, run_numbered
from worker.chunk.context import WorkerContext
from worker.libraries.new_labels import Labeller
from worker.libraries.stage_lease import StageLease

SLICE = 4_000


def relabel(context: WorkerContext, lease: StageLease) -> None:
    """Label all photos of a run that are due; one without an embedding is left for a run that reads it."""
    database = context.database
    with database.write() as session:
        hold(session, lease.claim)
        plan = relabel_plan(session, lease.claim)
    try:
        if plan is None:
            raise TaglineError("relabel_needs_tag", "Only a library with tag among its tasks can be relabelled.")
        labeller = Labeller(context, plan)
    except TaglineError as error:
        _end_failed(context, lease, error)
        return
    while True:
        lease.check()
        with database.read() as session:
            photos, left = due_slice(session, lease.claim, plan, SLICE)
        if not photos.changes and not left:
            break
        new = labeller.label(photos) if photos.changes else NewLabels([], [], [], [])
        with database.write() as session:
            store_relabelled(session, lease.claim, plan, photos, new, left)
    with database.write() as session:
        end_relabel(session, lease.claim)


def _end_failed(context: WorkerContext, lease: StageLease, error: TaglineError) -> None:
    with context.database.write() as session:
        hold(session, lease.claim)
        run = run_numbered(session, lease.claim.number)
        assert run is not None
        end_run(session, run, RunState.FAILED, code=error.code, message=error.message)
