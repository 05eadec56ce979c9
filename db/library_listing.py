"""What a source lists, on its way into the comparison: written in slices by the worker that has the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, cast, delete, func, select
from sqlalchemy.orm import Session

from core.states import RunStage, RunState
from db.clock import now_ms
from db.library_ends import end_run
from db.library_runs import RunClaim, enter_stage, hold, run_numbered
from db.library_tables import Library, LibraryListing, LibraryRun
from db.upsert import insert_into

COLUMNS = ("key", "etag", "size", "mtime", "locator")


@dataclass(frozen=True, slots=True)
class ListedPhoto:
    """A photo as its source lists it.

    Attributes:
        key: its path or key below the source.
        etag, size, mtime: what the source says of its bytes; None where it says nothing. mtime in microseconds.
        locator: the input to read it by, {"url": ...}; None if it follows from the source and the key.
    """

    key: str
    etag: str | None = None
    size: int | None = None
    mtime: int | None = None
    locator: dict[str, str] | None = None


def begin_listing(session: Session, claim: RunClaim) -> None:
    """Note that a run lists its source now, from the beginning; what a worker before listed has been cleared away."""
    hold(session, claim, state=RunState.LISTING, started_at=func.coalesce(LibraryRun.started_at, now_ms()))


def clear_listing(session: Session, run: int, most: int = 5_000) -> int:
    """Remove a slice of what a run's source listed; returns the number of rows."""
    keys = select(LibraryListing.key).where(LibraryListing.run == run).limit(most)
    gone = session.execute(delete(LibraryListing).where(LibraryListing.run == run, LibraryListing.key.in_(keys)))
    return int(gone.rowcount)  # type: ignore[attr-defined]


def write_listing(session: Session, claim: RunClaim, photos: Sequence[ListedPhoto], *, lease_ms: int) -> None:
    """Write a slice; of photos that are listed twice the first counts. It also renews the lease.

    Raises:
        LeaseLost: the run is no longer ours; nothing was written.
    """
    hold(session, claim, lease_until=now_ms() + lease_ms)
    if not photos:
        return
    if session.get_bind().dialect.name == "sqlite":
        rows = [_row(claim.number, photo) for photo in photos]
        session.execute(insert_into(session, LibraryListing).on_conflict_do_nothing(), rows)
    else:
        _write_arrays(session, claim.number, photos)


def _row(run: int, photo: ListedPhoto) -> dict[str, Any]:
    return {
        "run": run, "key": photo.key, "etag": photo.etag, "size": photo.size, "mtime": photo.mtime,
        "locator": photo.locator,
    }  # fmt: skip


def _write_arrays(session: Session, run: int, photos: Sequence[ListedPhoto]) -> None:
    """One statement with an array a column: several times faster than a row at a time."""
    import json

    texts, numbers = ARRAY(Text()), ARRAY(BigInteger())
    locators = [json.dumps(photo.locator) if photo.locator else None for photo in photos]
    columns = func.unnest(
        cast(bindparam("keys", [photo.key for photo in photos]), texts),
        cast(bindparam("etags", [photo.etag for photo in photos]), texts),
        cast(bindparam("sizes", [photo.size for photo in photos]), numbers),
        cast(bindparam("mtimes", [photo.mtime for photo in photos]), numbers),
        cast(bindparam("locators", locators), texts),
    ).table_valued(*COLUMNS)
    rows = select(
        cast(run, BigInteger), columns.c.key, columns.c.etag, columns.c.size, columns.c.mtime,
        cast(columns.c.locator, LibraryListing.locator.type),
    )  # fmt: skip
    new = insert_into(session, LibraryListing).from_select(["run", *COLUMNS], rows).on_conflict_do_nothing()
    session.execute(new)


def end_listing(session: Session, claim: RunClaim, *, skipped: int) -> LibraryRun:
    """Note that the source has been listed whole; what follows is a scheduler's.

    A source that lists fewer than half of the photos that were there at the last completed run ends the run instead,
    unless it was said to be meant.
    """
    hold(session, claim)
    run = run_numbered(session, claim.number)
    assert run is not None
    listed = select(func.count()).select_from(LibraryListing).where(LibraryListing.run == claim.number)
    run.listed, run.skipped = session.scalars(listed).one(), skipped
    present = session.scalars(select(Library.present).where(Library.number == claim.library)).one_or_none() or 0
    if run.listed * 2 < present and not run.force:
        message = (
            f"The source lists {run.listed} photos, and {present} were there at the last completed run. Nothing was "
            'changed; if it is meant, start a run with "force": true.'
        )
        end_run(session, run, RunState.SOURCE_SHRUNK, code="source_shrunk", message=message)
    else:
        enter_stage(run, RunStage.COMPARE)
    session.flush()
    return run
