"""Undoing a run as a whole: every photo shows again what it showed before; what people said is kept apart and stays."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Select, and_, case, func, select, update
from sqlalchemy.orm import Session, aliased

from core.errors import Conflict
from core.states import RunState
from db.clock import now_ms
from db.libraries import touch_library
from db.library_runs import unfinished_run
from db.library_tables import Library, LibraryChange, LibraryPhoto, LibraryRun


def undo(session: Session, library: Library, run: LibraryRun) -> None:
    """Undo a run that is locked with its library.

    The outputs of before are in the ledger still, so what a photo shows is set back by number, in one statement. A
    photo that a later run made something else of is left as that run left it; when that one is undone, too, the photo
    shows what it showed before both.

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
    _set_back(session, library, run.number)
    for earlier in _undone_before(session, run):
        _set_back(session, library, earlier, later=run.number)
    run.undone_at = session.execute(select(now_ms())).scalar_one()
    session.flush()
    touch_library(session, library.number)


def _undone_before(session: Session, run: LibraryRun) -> Sequence[int]:
    """Earlier runs that were undone, latest first."""
    query = select(LibraryRun.number).where(
        LibraryRun.library == run.library, LibraryRun.number < run.number, LibraryRun.undone_at.is_not(None)
    )
    return session.scalars(query.order_by(LibraryRun.number.desc())).all()


def _set_back(session: Session, library: Library, run: int, later: int | None = None) -> None:
    """Let photos that show what a run made show what they showed before it.

    Args:
        later: only those that this run, too, has labelled, and none between that stands.
    """
    photo, change = LibraryPhoto, LibraryChange
    shows = func.coalesce(photo.shown, photo.sha256)
    differs = change.before_sha256.is_distinct_from(photo.sha256)
    chosen = () if later is None else (photo.id.in_(_labelled(later)), photo.id.not_in(_labelled_between(run, later)))
    session.execute(
        update(photo)
        .where(
            change.run == run, change.outcome == "succeeded", change.photo == photo.id,
            photo.library == library.number, photo.spec == change.after_spec, shows == change.after_sha256, *chosen,
        )
        .values(
            spec=change.before_spec,
            shown=case((and_(change.before_spec.is_not(None), differs), change.before_sha256)),
            unsaved=library.write != "none",
            updated_at=now_ms(),
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip


def _labelled(run: int) -> Select[int | None]:
    """The photos that a run has labelled."""
    change = aliased(LibraryChange)
    return select(change.photo).where(change.run == run, change.outcome == "succeeded", change.photo.is_not(None))


def _labelled_between(earlier: int, later: int) -> Select[int | None]:
    """The photos of a library that runs between two of its runs have labelled that were not undone."""
    change, run, first = aliased(LibraryChange), aliased(LibraryRun), aliased(LibraryRun)
    return (
        select(change.photo)
        .join(run, run.number == change.run)
        .join(first, and_(first.number == earlier, first.library == run.library))
        .where(
            run.number > earlier, run.number < later, run.undone_at.is_(None), run.dry_run.is_(False),
            change.outcome == "succeeded", change.photo.is_not(None),
        )
    )  # fmt: skip
