"""Runs as clients meet them: starting one, reading, cancelling, undoing, its receipt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.errors import Conflict
from core.states import RunState
from db.engine import Session
from db.libraries import find_library
from db.library_ends import count_run, end_run
from db.library_runs import add_run, find_run, list_runs
from db.library_tables import LibraryRun
from db.library_undo import undo
from libraries.library_fields import RunFields
from libraries.views import run_view


def start_run(session: Session, tenant_id: str, library_id: str, fields: RunFields) -> dict[str, Any]:
    """Start a run by hand; it is queued, and goes on by itself.

    Raises:
        NotFound: `library_not_found`.
        Conflict: `run_in_progress`; `source_missing`, its manifest has not come yet.
    """
    library = find_library(session, tenant_id, library_id, lock=True)
    if library.source is None:
        raise Conflict("source_missing", "This library has no source yet; send its manifest, or name one.")
    run = add_run(session, library, what=fields.what, dry_run=fields.dry_run, force=fields.force, most=fields.limit)
    return run_view(library.id, run, count_run(session, run))


def read_run(session: Session, tenant_id: str, library_id: str, run_id: str) -> dict[str, Any]:
    """A run, with its counts so far; raises NotFound."""
    library = find_library(session, tenant_id, library_id)
    run = find_run(session, library, run_id)
    return run_view(library.id, run, count_run(session, run))


def page_runs(
    session: Session,
    tenant_id: str,
    library_id: str,
    *,
    limit: int,
    before: str | None = None,
    state: str | None = None,
) -> Sequence[dict[str, Any]]:
    """A library's runs, newest first, older than the id `before`."""
    library = find_library(session, tenant_id, library_id)
    runs = list_runs(session, library, limit=limit, before=before, state=state)
    return [run_view(library.id, run, count_run(session, run)) for run in runs]


def cancel_run(session: Session, tenant_id: str, library_id: str, run_id: str) -> dict[str, Any]:
    """End a run. What it has done stays; what is in workers' hands is dropped.

    Raises:
        NotFound: `library_not_found`, `run_not_found`.
        Conflict: `run_finished`, it has ended in another way.
    """
    library = find_library(session, tenant_id, library_id)
    run = find_run(session, library, run_id, lock=True)
    if not RunState(run.state).finished:
        stop_run(session, run)
    if run.state != RunState.CANCELLED:
        raise Conflict("run_finished", f"Run {run_id} is {run.state}; only an unfinished run can be cancelled.")
    return run_view(library.id, run, count_run(session, run))


def stop_run(session: Session, run: LibraryRun) -> None:
    """End a run that is locked and unfinished; its jobs are given up soon after, by a scheduler."""
    end_run(session, run, RunState.CANCELLED)


def undo_run(session: Session, tenant_id: str, library_id: str, run_id: str) -> dict[str, Any]:
    """Give every photo the labels and captions back that it had before a run; what people said since stays.

    What a later run wrote stands. Sidecars are written anew soon after.

    Raises:
        NotFound: `library_not_found`, `run_not_found`.
        Conflict: `run_in_progress`, this run or another of the library is not finished; `run_undone`, it is already;
            `nothing_to_undo`, it was a dry run.
    """
    library = find_library(session, tenant_id, library_id, lock=True)
    run = find_run(session, library, run_id, lock=True)
    undo(session, library, run)
    return run_view(library.id, run, count_run(session, run))


def read_receipt(session: Session, tenant_id: str, library_id: str, run_id: str) -> dict[str, Any]:
    """What a finished run vouches for: SHA-256 over its outcomes, its counts, and the models it ran with.

    The hash is over a line for each photo that was not unchanged, sorted by key as bytes: the key as JSON, a space,
    and `KIND` or `KIND OUTCOME`, and a line feed. All other listed photos were unchanged.

    Raises:
        NotFound: `library_not_found`, `run_not_found`.
        Conflict: `run_not_finished`.
    """
    library = find_library(session, tenant_id, library_id)
    run = find_run(session, library, run_id)
    if not RunState(run.state).finished:
        raise Conflict("run_not_finished", f"Run {run_id} is {run.state}; its receipt is made when it has finished.")
    view = run_view(library.id, run, count_run(session, run))
    shown = ("library_id", "what", "dry_run", "state", "counts", "models", "started_at", "finished_at")
    return {"run_id": run.id, "sha256": run.receipt, **{name: view[name] for name in shown}}
