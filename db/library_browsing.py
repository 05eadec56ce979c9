"""What people see of libraries beside what programs ask for: figures of several at once, a photo's neighbours and its
history. Each is a fixed number of queries, however large the libraries are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from db.labels import labels_of
from db.library_edits import edits_of
from db.library_tables import Library, LibraryChange, LibraryPhoto, LibraryRun
from db.output_code import unpack_numbers

LATEST = 20  # entries of a history


@dataclass(slots=True)
class Figures:
    """Of one library.

    Attributes:
        failed: photos that could not be run, and are still there.
        last: its last run that was no dry one.
        going: its run that is not over.
    """

    failed: int = 0
    last: LibraryRun | None = None
    going: LibraryRun | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a photo. `who` is "person", "sidecar" or "run"; `run_id` is that of a run."""

    at: int
    who: str
    kind: str
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    caption: str | None = None
    run_id: str | None = None
    undone: bool = False


def figures_of(session: Session, libraries: Sequence[Library]) -> dict[int, Figures]:
    """The figures of some libraries, by their numbers."""
    numbers = [library.number for library in libraries]
    found = {number: Figures() for number in numbers}
    photo, run = LibraryPhoto, LibraryRun
    failed = (
        select(photo.library, func.count())
        .where(photo.library.in_(numbers), photo.failures > 0, photo.missing_since.is_(None))
        .group_by(photo.library)
    )
    for number, count in session.execute(failed).all():
        found[number].failed = count
    real = (run.library.in_(numbers), run.dry_run.is_(False), run.finished_at.is_not(None))
    last = select(func.max(run.number)).where(*real).group_by(run.library)
    for one in session.scalars(select(run).where(run.number.in_(last))):
        found[one.library].last = one
    for one in session.scalars(select(run).where(run.library.in_(numbers), run.finished_at.is_(None))):
        found[one.library].going = one
    return found


def last_nights(session: Session, library: Library, limit: int) -> list[LibraryRun]:
    """The last runs of a library that are over and were no dry ones, the oldest first."""
    run = LibraryRun
    real = (run.library == library.number, run.dry_run.is_(False), run.finished_at.is_not(None))
    found = session.scalars(select(run).where(*real).order_by(run.id.desc()).limit(limit)).all()
    return list(reversed(found))


def neighbours(session: Session, library: Library, photo: int) -> tuple[int | None, int | None]:
    """The numbers of the photos before and after one, in the order of the gallery."""
    mine = LibraryPhoto.library == library.number
    before = select(func.max(LibraryPhoto.id)).where(mine, LibraryPhoto.id < photo)
    after = select(func.min(LibraryPhoto.id)).where(mine, LibraryPhoto.id > photo)
    return session.scalars(before).one(), session.scalars(after).one()


def history_of(session: Session, photo: int) -> list[Event]:
    """What people said of a photo and what runs changed about it, the latest first."""
    said = [
        Event(
            edit.made_at, "sidecar" if edit.seen_in == "sidecar" else "person", edit.kind,
            list(edit.added or ()), list(edit.removed or ()), edit.caption,
        )
        for edit in edits_of(session, photo)[-LATEST:]
    ]  # fmt: skip
    events = [*said, *_changed(session, photo)]
    return sorted(events, key=lambda event: -event.at)[:LATEST]


def _changed(session: Session, photo: int) -> list[Event]:
    change, run = LibraryChange, LibraryRun
    rows = session.execute(
        select(change, run)
        .join(run, and_(run.number == change.run, run.dry_run.is_(False)))
        .where(change.photo == photo, change.state == "done")
        .order_by(change.run.desc())
        .limit(LATEST)
    ).all()
    labels = labels_of(session, _numbers([change for change, _ in rows]))
    return [
        Event(
            run.started_at or run.created_at, "run", change.error_code or change.kind,
            [labels[number][0] for number in unpack_numbers(change.added)],
            [labels[number][0] for number in unpack_numbers(change.removed)],
            change.caption_after if change.caption_after != change.caption_before else None,
            run.id, run.undone_at is not None,
        )
        for change, run in rows
    ]  # fmt: skip


def _numbers(changes: Collection[LibraryChange]) -> set[int]:
    return {number for one in changes for packed in (one.added, one.removed) for number in unpack_numbers(packed)}
