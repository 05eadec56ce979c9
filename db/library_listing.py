"""What a source lists, on its way into the comparison: written in slices by the worker that has the run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import ARRAY, BigInteger, Text, bindparam, cast, delete, func, select
from sqlalchemy.orm import Session

from core.states import RunStage, RunState
from db.clock import now_ms
from db.library_ends import end_run
from db.library_runs import RunClaim, enter_stage, hold, run_numbered
from db.library_tables import Library, LibraryListing, LibraryRun, LibrarySidecarListing
from db.upsert import insert_into

COLUMNS = ("key", "etag", "size", "mtime", "locator")


class Listed(Protocol):
    """A photo as its source lists it: `libraries.listing.entry.Entry`."""

    @property
    def key(self) -> str: ...
    @property
    def etag(self) -> str | None: ...
    @property
    def size(self) -> int | None: ...
    @property
    def mtime(self) -> int | None: ...
    @property
    def locator(self) -> Mapping[str, str] | None: ...


@dataclass(frozen=True, slots=True)
class ListingProgress:
    """What a run lists, and how far it has come.

    Attributes:
        position: where to go on; "" at the beginning.
        sidecars: they matter, too, for the library writes some.
    """

    source: dict[str, Any]
    position: str
    skipped: int
    sidecars: bool


def begin_listing(session: Session, claim: RunClaim) -> ListingProgress:
    """Note that a run lists its source now; goes on where a worker before has stopped.

    Raises:
        LeaseLost: the run is no longer ours.
    """
    hold(session, claim, state=RunState.LISTING, started_at=func.coalesce(LibraryRun.started_at, now_ms()))
    run = session.get_one(LibraryRun, claim.number, populate_existing=True)
    writes = session.get_one(Library, claim.library).write != "none" and not run.dry_run
    return ListingProgress(run.source or {}, run.cursor or "", run.skipped, writes)


def clear_listing(session: Session, run: int, most: int = 5_000) -> int:
    """Remove a slice of what a run's source listed; returns the number of rows."""
    removed = 0
    for table in (LibraryListing, LibrarySidecarListing):
        keys = select(table.key).where(table.run == run).limit(most)
        gone = session.execute(delete(table).where(table.run == run, table.key.in_(keys)))
        removed += int(gone.rowcount)  # type: ignore[attr-defined]
    return removed


def write_listing(
    session: Session,
    claim: RunClaim,
    photos: Sequence[Listed],
    sidecars: Sequence[Listed] = (),
    *,
    position: str,
    skipped: int,
    lease_ms: int,
) -> None:
    """Write a slice; of photos that are listed twice the first counts. It also renews the lease.

    Args:
        position: where a listing would go on after them.
        skipped: what the source holds besides, from its beginning on.

    Raises:
        LeaseLost: the run is no longer ours; nothing was written.
    """
    hold(session, claim, lease_until=now_ms() + lease_ms, cursor=position, skipped=skipped, attempts=1)
    if sidecars:
        found = [{"run": claim.number, "key": one.key, "etag": one.etag} for one in sidecars]
        session.execute(insert_into(session, LibrarySidecarListing).on_conflict_do_nothing(), found)
    if not photos:
        return
    if session.get_bind().dialect.name == "sqlite":
        rows = [_row(claim.number, photo) for photo in photos]
        session.execute(insert_into(session, LibraryListing).on_conflict_do_nothing(), rows)
    else:
        _write_arrays(session, claim.number, photos)


def _row(run: int, photo: Listed) -> dict[str, Any]:
    return {
        "run": run, "key": photo.key, "etag": photo.etag, "size": photo.size, "mtime": photo.mtime,
        "locator": _own_locator(photo),
    }  # fmt: skip


def _own_locator(photo: Listed) -> dict[str, str] | None:
    """The locator, unless it is the URL that the key is: then it need not stand there twice."""
    return dict(photo.locator) if photo.locator and dict(photo.locator) != {"url": photo.key} else None


def _write_arrays(session: Session, run: int, photos: Sequence[Listed]) -> None:
    """One statement with an array a column: several times faster than a row at a time."""
    texts, numbers = ARRAY(Text()), ARRAY(BigInteger())
    locators = [json.dumps(locator) if (locator := _own_locator(photo)) else None for photo in photos]
    columns = (
        func.unnest(
            cast(bindparam("keys", [photo.key for photo in photos]), texts),
            cast(bindparam("etags", [photo.etag for photo in photos]), texts),
            cast(bindparam("sizes", [photo.size for photo in photos]), numbers),
            cast(bindparam("mtimes", [photo.mtime for photo in photos]), numbers),
            cast(bindparam("locators", locators), texts),
        )
        .table_valued(*COLUMNS)
        .render_derived()
    )
    rows = select(
        cast(run, BigInteger), columns.c.key, columns.c.etag, columns.c.size, columns.c.mtime,
        cast(columns.c.locator, LibraryListing.locator.type),
    )  # fmt: skip
    new = insert_into(session, LibraryListing).from_select(["run", *COLUMNS], rows).on_conflict_do_nothing()
    session.execute(new)


def end_listing(session: Session, claim: RunClaim) -> LibraryRun:
    """Note that the source has been listed whole; what follows is a scheduler's.

    A source that lists fewer than half of the photos that were there at the last completed run ends the run instead,
    unless it was said to be meant.
    """
    hold(session, claim)
    run = run_numbered(session, claim.number)
    assert run is not None
    listed = select(func.count()).select_from(LibraryListing).where(LibraryListing.run == claim.number)
    run.listed = session.scalars(listed).one()
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
