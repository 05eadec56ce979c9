"""Undoing a run as a whole: every photo shows again what it showed before; what people said is kept apart and stays."""

from __future__ import annotations

from sqlalchemy import and_, case, func, select, update
from sqlalchemy.orm import Session

from core.errors import Conflict
from core.states import RunState
from db.clock import now_ms
from db.libraries import touch_library
from db.library_runs import unfinished_run
from db.library_tables import Library, LibraryChange, LibraryPhoto, LibraryRun


def undo(session: Session, library: Library, run: LibraryRun) -> None:
    """Undo a run that is locked with its library.

    The outputs of before are in the ledger still, so what a photo shows is set back by number, in one statement. A
    photo that a later run made something else of is left as that run left it.

    Raises:
        Conflict: `run_in_progress`, `run_undone` or `nothing_to_undo`.
    """
    unfinished = unfinished_run(session, library.number, lock=True)
    if unfinished is not None or not RunState(run.state).finished:
        raise Conflict("run_in_progress", f"Library {library.id} has a run that is not finished.")
    if run.undone_at is not None:
        raise Conflict("run_undone", f"Run {run.id} has been undone already.")
    if run.dry_run:
        raise Conflict("nothing_to_undo", f"Run {run.id} was a dry run; it changed nothing.")
    photo, change = LibraryPhoto, LibraryChange
    shows = func.coalesce(photo.shown, photo.sha256)
    differs = change.before_sha256.is_distinct_from(photo.sha256)
    session.execute(
        update(photo)
        .where(
            change.run == run.number, change.outcome == "succeeded", change.photo == photo.id,
            photo.library == library.number, photo.spec == change.after_spec, shows == change.after_sha256,
        )
        .values(
            spec=change.before_spec,
            shown=case((and_(change.before_spec.is_not(None), differs), change.before_sha256)),
            unsaved=library.write != "none",
            updated_at=now_ms(),
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    run.undone_at = session.execute(select(now_ms())).scalar_one()
    session.flush()
    touch_library(session, library.number)
