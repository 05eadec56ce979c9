"""Clearing away after libraries: what ended runs left behind, photos long gone, old runs, libraries that were given up,
and outputs that no photo shows. Small slices; each is safe to run at any time and by several at once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, delete, exists, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from core.states import RunStage
from db.clock import now_ms
from db.ledger import DAY_MS
from db.ledger_tables import LedgerEntry, TextDirection
from db.library_listing import clear_listing
from db.library_orders import jobs_of_run
from db.library_runs import UNFINISHED
from db.library_tables import Library, LibraryChange, LibraryManifest, LibraryPhoto, LibraryRun

ROWS = 2_000


def ended_run(session: Session) -> int | None:
    """The number of a run that has ended and left something behind, or None."""
    ended = (LibraryRun.stage != RunStage.DONE, LibraryRun.state.not_in(UNFINISHED))
    return session.scalars(select(LibraryRun.number).where(*ended).order_by(LibraryRun.number).limit(1)).first()


def clear_run(session: Session, number: int) -> bool:
    """Clear a slice of what an ended run left behind, its jobs given up before; True once nothing is left."""
    if jobs_of_run(session, number):
        return False
    cleared = clear_listing(session, number) or _delete_some(
        session, LibraryChange.id, LibraryChange.run == number, LibraryChange.state.in_(["due", "ordered"])
    )
    if cleared:
        return False
    run = session.get(LibraryRun, number, populate_existing=True)
    if run is not None:
        run.stage = RunStage.DONE
    return True


def forget_missing(session: Session, *, days: float) -> int:
    """Forget photos that their source has not listed for so many days; returns how many."""
    before = now_ms() - round(days * DAY_MS)
    return _delete_some(session, LibraryPhoto.id, LibraryPhoto.missing_since < before)


def retire_runs(session: Session, *, days: float) -> int:
    """Remove a slice of the runs that ended so many days ago, and of what they changed; returns the number of rows."""
    old = (LibraryRun.stage == RunStage.DONE, LibraryRun.finished_at < now_ms() - round(days * DAY_MS))
    number = session.scalars(select(LibraryRun.number).where(*old).limit(1)).first()
    if number is None:
        return 0
    removed = _delete_some(session, LibraryChange.id, LibraryChange.run == number)
    if removed == 0:
        session.execute(delete(LibraryRun).where(LibraryRun.number == number))
        removed = 1
    return removed


def clear_library(session: Session) -> int:
    """Remove a slice of a library that was given up; returns the number of rows."""
    deleted = select(Library.number).where(Library.deleted_at.is_not(None)).limit(1)
    number = session.scalars(deleted.with_for_update(skip_locked=True, key_share=True)).first()
    if number is None:
        return 0
    removed = _delete_some(session, LibraryPhoto.id, LibraryPhoto.library == number)
    removed = removed or _delete_some(session, LibraryManifest.key, LibraryManifest.library == number)
    if removed:
        return removed
    run = session.scalars(select(LibraryRun).where(LibraryRun.library == number).limit(1)).first()
    if run is None:
        session.execute(delete(Library).where(Library.number == number))
        return 1
    if run.stage != RunStage.DONE:  # its jobs come first
        return 0
    removed = _delete_some(session, LibraryChange.id, LibraryChange.run == run.number)
    if removed == 0:
        session.execute(delete(LibraryRun).where(LibraryRun.number == run.number))
        removed = 1
    return removed


def clear_manifests(session: Session) -> int:
    """Remove a slice of manifests that were replaced, or never came whole; returns the number of rows."""
    current = exists().where(Library.number == LibraryManifest.library, Library.manifest <= LibraryManifest.edition)
    listed = exists().where(LibraryRun.library == LibraryManifest.library, LibraryRun.state.in_(UNFINISHED))
    stale = select(LibraryManifest.library, LibraryManifest.edition).where(~current, ~listed).limit(1)
    found = session.execute(stale).first()
    if found is None:
        return 0
    mine = (LibraryManifest.library == found.library, LibraryManifest.edition == found.edition)
    return _delete_some(session, LibraryManifest.key, *mine)


def clear_ledger(session: Session, *, days: float, after: bytes) -> bytes | None:
    """Look at a slice of the ledger from some bytes on, and remove entries older than so many days that no photo shows
    and no run would need to be undone; returns where to go on, None at the end."""
    entry, photo, change = LedgerEntry, LibraryPhoto, LibraryChange
    seen = select(entry.sha256).where(entry.sha256 > after).order_by(entry.sha256).limit(ROWS).subquery()
    end = session.scalars(select(seen.c.sha256).order_by(seen.c.sha256.desc()).limit(1)).first()
    if end is None:
        return None
    needed = (
        exists().where(photo.sha256 == entry.sha256),
        exists().where(photo.shown == entry.sha256),
        exists().where(change.before_sha256 == entry.sha256, change.kind == "changed"),
    )
    session.execute(
        delete(entry)
        .where(
            entry.sha256 > after, entry.sha256 <= end, entry.made_on < now_ms() / DAY_MS - days,
            *(~one for one in needed),
        )
        .execution_options(synchronize_session=False)
    )  # fmt: skip
    return bytes(end)


def clear_directions(session: Session, *, days: float) -> int:
    """Remove directions of texts that were asked for so many days ago."""
    return _delete_some(session, TextDirection.id, TextDirection.asked_at < now_ms() - round(days * DAY_MS))


def _delete_some(session: Session, key: InstrumentedAttribute[Any], *which: ColumnElement[bool]) -> int:
    table = key.class_
    some = select(key).where(*which).limit(ROWS)
    gone = session.execute(delete(table).where(*which, key.in_(some)).execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined]
