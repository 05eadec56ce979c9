"""Photos of a library as they stand: pages by label, by whom, by state, by words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Select, and_, exists, false, func, literal, or_, select
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.states import PhotoState
from db.labels import fold, numbers_of
from db.ledger_tables import LedgerEntry
from db.library_said import may_say
from db.library_tables import Library, LibraryPhoto, LibraryRun, LibrarySidecar
from db.output_code import pack_numbers
from db.photo_labels import ShownLabel, caption_view, label_views
from db.photo_outputs import Made, read_outputs, told_of
from db.upsert import on_sqlite

PAGE = 500


@dataclass(frozen=True, slots=True)
class PhotoFilter:
    """Which photos are wanted; None: any.

    Attributes:
        label: those that it stands at, compared as `db.labels.fold` has it.
        by: "model" or "person": who gave the label, or any label or caption if none is named.
        state: as in `PhotoState`.
        q: words of the key or the caption.
        least: a label of a model counts as standing there if it scores so much.
    """

    label: str | None = None
    by: str | None = None
    state: str | None = None
    q: str | None = None
    least: float = 0.0

    @property
    def is_told_by_rows(self) -> bool:
        """Whether all that the database finds is wanted."""
        return self.label is None and self.by is None and self.q is None


def find_photo(session: Session, library: Library, photo_id: str) -> LibraryPhoto:
    """A photo of a library.

    Raises:
        NotFound: `photo_not_found`.
    """
    photo = None
    if photo_id.isascii() and photo_id.isdecimal() and len(photo_id) < 19:
        query = select(LibraryPhoto).where(LibraryPhoto.id == int(photo_id), LibraryPhoto.library == library.number)
        photo = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if photo is None:
        raise NotFound("photo_not_found", f"Library {library.id} has no photo {photo_id[:50]}.")
    return photo


def view_photos(session: Session, photos: Sequence[LibraryPhoto]) -> list[dict[str, Any]]:
    """Photos as clients see them."""
    return [view for _, view in _views(session, photos, PhotoFilter())]


def numbered_photos(session: Session, library: Library, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Photos by their numbers, as clients see them; without those that are gone."""
    query = select(LibraryPhoto).where(LibraryPhoto.library == library.number, LibraryPhoto.id.in_(numbers))
    return view_photos(session, session.scalars(query).all())


def page_photos(
    session: Session, library: Library, wanted: PhotoFilter, *, limit: int, after: int = 0
) -> list[dict[str, Any]]:
    """Up to `limit` photos whose number is above `after`, by number; a view's `id` is the number as text."""
    found: list[dict[str, Any]] = []
    query = _filtered(session, library, wanted).order_by(LibraryPhoto.id)
    slice_ = limit if wanted.is_told_by_rows else min(PAGE, 2 * limit)  # a view takes a millisecond
    while len(found) < limit:
        photos = session.scalars(query.where(LibraryPhoto.id > after).limit(slice_)).all()
        found += [view for _, view in _views(session, photos, wanted)]
        if len(photos) < slice_:
            break
        after, slice_ = photos[-1].id, PAGE
        session.expunge_all()
    return found[:limit]


def made_of(photo: LibraryPhoto) -> Made | None:
    """What a photo's outputs are of; None if it has none."""
    sha256 = photo.shown or photo.sha256
    return (sha256, photo.spec) if sha256 is not None and photo.spec is not None else None


def state_of(photo: LibraryPhoto) -> PhotoState:
    """The state that is shown."""
    if photo.missing_since is not None:
        return PhotoState.MISSING
    return PhotoState.FAILED if photo.failures else PhotoState.PRESENT


def _filtered(session: Session, library: Library, wanted: PhotoFilter) -> Select[LibraryPhoto]:
    """The photos that may be wanted: what the database can tell without decoding; `_views` looks again."""
    photo = LibraryPhoto
    query = select(photo).where(photo.library == library.number)
    states: dict[str, ColumnElement[bool]] = {
        PhotoState.MISSING: photo.missing_since.is_not(None),
        PhotoState.FAILED: and_(photo.missing_since.is_(None), photo.failures > 0),
        PhotoState.PRESENT: and_(photo.missing_since.is_(None), photo.failures == 0),
    }
    if wanted.state is not None:
        query = query.where(states[wanted.state])
    if wanted.label is not None:
        query = query.where(_may_have(session, numbers_of(session, wanted.label)))
    elif wanted.by == "person":
        query = query.where(or_(photo.added.is_not(None), photo.caption.is_not(None)))
    if wanted.q is not None:
        query = query.where(*may_say(session, library.tenant_id, fold(wanted.q).split()))
    return query


def _may_have(session: Session, numbers: Iterable[int]) -> ColumnElement[bool]:
    """Whether one of these numbers may be among those of a photo's labels."""
    photo, entry = LibraryPhoto, LedgerEntry
    needles = [literal(pack_numbers([number]), LargeBinary) for number in numbers]
    if not needles:
        return false()
    holds = _holds_sqlite if on_sqlite(session) else _holds_postgresql
    output = exists().where(
        entry.sha256 == func.coalesce(photo.shown, photo.sha256), or_(*(holds(entry.body, one) for one in needles))
    )
    return or_(output, *(holds(photo.added, one) for one in needles))


def _holds_sqlite(column: Any, needle: Any) -> ColumnElement[bool]:
    return func.instr(column, needle) > 0


def _holds_postgresql(column: Any, needle: Any) -> ColumnElement[bool]:
    return func.position(needle.op("IN")(column)) > 0


def _views(
    session: Session, photos: Sequence[LibraryPhoto], wanted: PhotoFilter
) -> list[tuple[LibraryPhoto, dict[str, Any]]]:
    told = [told_of(photo.added, photo.removed, photo.caption) for photo in photos]
    reader = read_outputs(session, [made for photo in photos if (made := made_of(photo))], told)
    numbers = {photo.run for photo in photos if photo.run is not None}
    runs = dict(session.execute(select(LibraryRun.number, LibraryRun.id).where(LibraryRun.number.in_(numbers))).all())
    sidecars = _sidecar_errors(session, photos)
    found = []
    for photo, said in zip(photos, told, strict=True):
        shown = reader.shown(made_of(photo), said)
        view = {
            "id": str(photo.id),
            "key": photo.key,
            "state": state_of(photo),
            "sha256": photo.sha256.hex() if photo.sha256 else None,
            "width": photo.width,
            "height": photo.height,
            "labels": label_views(shown),
            "caption": caption_view(reader.caption(made_of(photo), said)),
            "error": {"code": photo.error_code} if photo.failures else None,
            "sidecar_error": {"code": sidecars[photo.id]} if photo.id in sidecars else None,
            "run_id": runs.get(photo.run or 0),
            "updated_at": photo.updated_at,
        }
        if _matches(view, shown, wanted):
            found.append((photo, view))
    return found


def _sidecar_errors(session: Session, photos: Sequence[LibraryPhoto]) -> dict[int, str | None]:
    """Why sidecars of these photos could not be brought up to date, by photo, where their library writes any."""
    sidecar, photo = LibrarySidecar, LibraryPhoto
    failed = (
        select(sidecar.photo, sidecar.error_code)
        .join(photo, photo.id == sidecar.photo)
        .join(Library, Library.number == photo.library)
        .where(sidecar.photo.in_([one.id for one in photos]), sidecar.error_code.is_not(None), Library.write != "none")
    )
    return {row.photo: row.error_code for row in session.execute(failed)}


def _matches(view: dict[str, Any], shown: Sequence[ShownLabel], wanted: PhotoFilter) -> bool:
    if wanted.q is not None:
        words = fold(wanted.q).split()
        text = fold(f"{view['key']} {view['caption']['text'] if view['caption'] else ''}")
        if not all(word in text for word in words):
            return False
    if wanted.label is not None:
        name = fold(wanted.label)
        shown = [one for one in shown if fold(one.label) == name and (one.score is None or one.score >= wanted.least)]
        if not shown:
            return False
    if wanted.by is None:
        return True
    givers = {label["by"] for label in label_views(shown)}
    if wanted.label is None and view["caption"]:
        givers.add(view["caption"]["by"])
    return wanted.by in givers
