"""Which photos' sidecars are to be written, and what stood there when they were."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, exists, or_, select, update
from sqlalchemy.orm import Session

from core.states import RunStage
from db.clock import current_ms, now_ms
from db.labels import fold
from db.ledger import describe_recipes, plain_model, recipes_of
from db.library_edits import edit_caption, edit_labels
from db.library_photos import made_of
from db.library_runs import UNFINISHED, RunClaim, enter_stage, hold, run_numbered
from db.library_tables import Library, LibraryPhoto, LibraryRun, LibrarySidecar, LibrarySidecarListing
from db.photo_labels import ShownCaption, ShownLabel
from db.photo_outputs import read_outputs, told_of
from db.upsert import insert_into


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands in a sidecar: labels of models, of people, paths of labels with parents, and a caption."""

    labels: tuple[str, ...] = ()
    people: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    caption: str | None = None


@dataclass(frozen=True, slots=True)
class DueSidecar:
    """A photo whose sidecar is to be brought up to date.

    Attributes:
        labels, caption: that stand at the photo.
        removed: labels that people removed, as they are compared.
        models: NAME@VERSION by task, of its outputs.
        run: the id of the run that made them.
        base: what stood in the sidecar when we last wrote; None: we never did.
        updated_at: of the photo; if it has changed by the time of storing, the sidecar is due again.
    """

    photo: int
    key: str
    labels: tuple[ShownLabel, ...]
    removed: frozenset[str]
    caption: ShownCaption | None
    models: dict[str, str]
    run: str | None
    base: Standing | None
    updated_at: int


@dataclass(frozen=True, slots=True)
class SavedSidecar:
    """What came of it: where it lies, its stamp, what stands there now, and what others had changed there; or why it
    could not be written.

    Attributes:
        caption_edit: what somebody else has written for a caption ("": nothing), if `caption_changed`.
    """

    due: DueSidecar
    place: str
    stamp: str | None
    standing: Standing
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    caption_changed: bool = False
    caption_edit: str = ""
    error_code: str | None = None
    again: bool = False  # it failed in a way that may pass


def due_sidecars(session: Session, library: int, *, run: int | None, after: int, most: int) -> list[DueSidecar]:
    """The next photos, by number, whose sidecars are to be written; with a run also those that others have changed or
    removed, by what its source lists."""
    photo, sidecar, listed = LibraryPhoto, LibrarySidecar, LibrarySidecarListing
    wanted: ColumnElement[bool] = photo.unsaved.is_(True)
    query = select(photo, sidecar).outerjoin(sidecar, sidecar.photo == photo.id)
    if run is not None:
        query = query.outerjoin(listed, and_(listed.run == run, listed.key == sidecar.place))
        wanted = or_(wanted, sidecar.photo.is_(None), listed.etag.is_distinct_from(sidecar.stamp))
    rows = session.execute(
        query.where(photo.library == library, photo.missing_since.is_(None), photo.id > after, wanted)
        .order_by(photo.id)
        .limit(most)
    ).all()
    photos = [row[0] for row in rows]
    told = [told_of(one.added, one.removed, one.caption) for one in photos]
    reader = read_outputs(session, [made for one in photos if (made := made_of(one))], told)
    made_with = recipes_of(session, {one.spec for one in photos if one.spec is not None})
    recipes = describe_recipes(session, {recipe for some in made_with.values() for recipe in some})
    runs = _run_ids(session, {one.run for one in photos if one.run is not None})
    return [
        DueSidecar(
            photo=one.id,
            key=one.key,
            labels=tuple(reader.shown(made_of(one), said)),
            removed=frozenset(fold(reader.labels[number][0]) for number in said.removed),
            caption=reader.caption(made_of(one), said),
            models={
                task: plain_model(model)
                for task, model in (recipes[recipe] for recipe in made_with.get(one.spec or 0, ()))
            },
            run=runs.get(one.run or 0),
            base=_standing(row[1]),
            updated_at=one.updated_at,
        )
        for row, one, said in zip(rows, photos, told, strict=True)
    ]  # fmt: skip


def _run_ids(session: Session, numbers: set[int]) -> dict[int, str]:
    rows = session.execute(select(LibraryRun.number, LibraryRun.id).where(LibraryRun.number.in_(numbers)))
    return {row.number: row.id for row in rows}


def _standing(row: LibrarySidecar | None) -> Standing | None:
    if row is None:
        return None
    return Standing(tuple(row.labels), tuple(row.people), tuple(row.paths), row.caption)


def store_sidecars(session: Session, saved: Sequence[SavedSidecar]) -> None:
    """Note what stands in sidecars now, and take over what other programs said there: people win."""
    now = current_ms(session)
    for one in saved:
        _take_over(session, one)
        row = {
            "photo": one.due.photo, "place": one.place, "stamp": one.stamp, "labels": list(one.standing.labels),
            "people": list(one.standing.people), "paths": list(one.standing.paths),
            "caption": one.standing.caption, "error_code": one.error_code, "written_at": now,
        }  # fmt: skip
        new = insert_into(session, LibrarySidecar).values(**row)
        values = {name: value for name, value in row.items() if name != "photo"}
        there = exists().where(LibraryPhoto.id == one.due.photo)
        if session.scalars(select(there)).one():
            session.execute(new.on_conflict_do_update(index_elements=["photo"], set_=values))


def _take_over(session: Session, saved: SavedSidecar) -> None:
    query = select(LibraryPhoto).where(LibraryPhoto.id == saved.due.photo)
    photo = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if photo is None:
        return
    current = photo.updated_at == saved.due.updated_at
    if saved.added or saved.removed:
        edit_labels(session, photo.id, add=saved.added, remove=saved.removed, seen_in="sidecar")
    if saved.caption_changed:
        edit_caption(session, photo.id, saved.caption_edit, seen_in="sidecar")
    if current and not saved.again:
        session.execute(
            update(LibraryPhoto)
            .where(LibraryPhoto.id == photo.id)
            .values(unsaved=False)
            .execution_options(synchronize_session=False)
        )


def end_sidecars(session: Session, claim: RunClaim) -> None:
    """Let a run go on once its sidecars are written."""
    hold(session, claim)
    run = run_numbered(session, claim.number)
    assert run is not None
    enter_stage(run, RunStage.CLOSE)


def find_unsaved(session: Session) -> int | None:
    """The number of a library with sidecars to be written after edits or an undone run, of which nobody takes care:
    one with a run in progress is left to that."""
    running = exists().where(LibraryRun.library == Library.number, LibraryRun.state.in_(UNFINISHED))
    unsaved = exists().where(
        LibraryPhoto.library == Library.number, LibraryPhoto.unsaved, LibraryPhoto.missing_since.is_(None)
    )
    free = or_(Library.saving_until.is_(None), Library.saving_until < now_ms())
    query = select(Library.number).where(Library.write != "none", Library.deleted_at.is_(None), free, ~running, unsaved)
    return session.scalars(query.order_by(Library.number).limit(1)).first()


def claim_unsaved(session: Session, number: int, *, lease_ms: int) -> Library | None:
    """A library that was found unsaved, ours until the lease ends; None if somebody else was quicker."""
    free = or_(Library.saving_until.is_(None), Library.saving_until < now_ms())
    return session.scalars(
        update(Library)
        .where(Library.number == number, Library.deleted_at.is_(None), free)
        .values(saving_until=now_ms() + lease_ms)
        .returning(Library)
        .execution_options(synchronize_session=False, populate_existing=True)
    ).one_or_none()


def release_unsaved(session: Session, library: int, *, pause_ms: int) -> None:
    """Let others write a library's sidecars, after a pause."""
    session.execute(update(Library).where(Library.number == library).values(saving_until=now_ms() + pause_ms))
