"""The end of a run: its counts, and the webhook that tells of it, in the transaction that makes it true."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.outbound.links import run_links
from core.states import RunStage, RunState
from db import outbox
from db.clock import now_ms
from db.library_runs import enter_stage
from db.library_tables import Library, LibraryChange, LibraryRun
from db.messages import storable

LISTED = ("new", "changed", "moved", "stale", "retried")
EVENTS = {
    RunState.COMPLETED: "library.run.completed",
    RunState.FAILED: "library.run.failed",
    RunState.SOURCE_FAILED: "library.run.failed",
    RunState.SOURCE_SHRUNK: "library.run.failed",
}


def count_run(session: Session, run: LibraryRun) -> dict[str, int]:
    """The counts of a run as they are now: every listed photo once among new, changed, moved, unchanged, stale and
    retried; what was found gone; and what became of those that were due."""
    if run.counts is not None:
        return run.counts
    change = LibraryChange
    rows = session.execute(
        select(change.kind, change.outcome, change.done_by, func.count())
        .where(change.run == run.number)
        .group_by(change.kind, change.outcome, change.done_by)
    ).all()
    counts = {"listed": run.listed, "skipped": run.skipped}
    for kind in (*LISTED, "gone"):
        counts[kind] = sum(row[3] for row in rows if row.kind == kind)
    # Until everything is compared, what was not looked at yet is nothing yet.
    compared = RunStage(run.stage) not in (RunStage.PIN, RunStage.LIST, RunStage.COMPARE)
    counts["unchanged"] = run.listed - sum(counts[kind] for kind in LISTED) if compared else 0
    counts["ran"] = sum(row[3] for row in rows if row.done_by == "model")
    counts["reused"] = sum(row[3] for row in rows if row.done_by == "ledger")
    for outcome in ("succeeded", "failed"):
        counts[outcome] = sum(row[3] for row in rows if row.outcome == outcome)
    return counts


def end_run(
    session: Session,
    run: LibraryRun,
    state: RunState,
    *,
    code: str | None = None,
    message: str | None = None,
    labels: dict[str, Any] | None = None,
    receipt: str | None = None,
) -> None:
    """End a run that is locked. What it left behind is cleared away later: db.library_upkeep.

    Args:
        code, message: why it failed.
        labels: those that came and went most.
        receipt: SHA-256 of its outcomes.
    """
    run.counts = count_run(session, run)
    enter_stage(run, RunStage.CLOSE, state)
    run.finished_at = session.execute(select(now_ms())).scalar_one()
    run.error_code, run.error_message = code, storable(message) if message else None
    run.labels = labels or {"added": [], "removed": []}
    run.receipt = receipt
    session.flush()
    library = session.get_one(Library, run.library)
    if state in EVENTS and library.webhook_url is not None and library.deleted_at is None:
        _announce(session, library, run, EVENTS[state])


def _announce(session: Session, library: Library, run: LibraryRun, event: str) -> None:
    error = {"code": run.error_code, "message": run.error_message} if run.error_code else None
    message = outbox.Message(
        tenant_id=library.tenant_id,
        url=library.webhook_url or "",
        secret=library.webhook_secret,
        event=event,
        subject=f"libraries/{library.id}/runs/{run.id}",
        data={
            "id": run.id,
            "library_id": library.id,
            "name": library.name,
            "what": run.what,
            "dry_run": run.dry_run,
            "state": run.state,
            "counts": run.counts,
            "error": error,
            "links": run_links(library.id, run.id, library.base_url),
        },
    )
    outbox.enqueue(session, message)
