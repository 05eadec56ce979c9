"""What people say of photos: kept for ever in order, and as what stands now at the photo itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from db.clock import now_ms
from db.labels import fold, labels_of, number_labels
from db.library_tables import LibraryEdit, LibraryPhoto
from db.output_code import pack_numbers, unpack_numbers


def edit_labels(
    session: Session, photo_id: int, *, add: Sequence[str], remove: Sequence[str], seen_in: str = "api"
) -> LibraryPhoto:
    """Note labels that a person added to a photo or removed from it; the last word on a label counts.

    Adding what was removed cancels the removal, and the other way round.

    Args:
        photo_id: of a photo that exists.
        seen_in: where the edit was made, "api" or "sidecar".
    """
    numbers = number_labels(session, [(label, "") for label in (*add, *remove)])  # before the photo is locked
    photo = _locked(session, photo_id)
    old = unpack_numbers(photo.added), unpack_numbers(photo.removed)
    known = labels_of(session, {*old[0], *old[1], *numbers.values()})
    mentioned = {fold(label) for label in (*add, *remove)}
    kept = [[number for number in some if fold(known[number][0]) not in mentioned] for some in old]
    last = {fold(label): ("added", numbers[label, ""]) for label in add}
    last |= {fold(label): ("removed", numbers[label, ""]) for label in remove}
    photo.added = _packed([*kept[0], *(number for kind, number in last.values() if kind == "added")])
    photo.removed = _packed([*kept[1], *(number for kind, number in last.values() if kind == "removed")])
    _note(session, photo, seen_in, kind="labels", added=list(add), removed=list(remove))
    return photo


def edit_caption(session: Session, photo_id: int, text: str | None, *, seen_in: str = "api") -> LibraryPhoto:
    """Note the caption that a person gave a photo; None gives it back to the model."""
    photo = _locked(session, photo_id)
    photo.caption = text
    _note(session, photo, seen_in, kind="caption", caption=text)
    return photo


def edits_of(session: Session, photo_id: int) -> Sequence[LibraryEdit]:
    """Everything that people said of a photo, in order."""
    return session.scalars(select(LibraryEdit).where(LibraryEdit.photo == photo_id).order_by(LibraryEdit.id)).all()


def _locked(session: Session, photo_id: int) -> LibraryPhoto:
    query = select(LibraryPhoto).where(LibraryPhoto.id == photo_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _note(session: Session, photo: LibraryPhoto, seen_in: str, **values: object) -> None:
    now = session.execute(select(now_ms())).scalar_one()
    photo.updated_at = now
    photo.unsaved = True
    session.execute(insert(LibraryEdit).values(photo=photo.id, seen_in=seen_in, made_at=now, **values))
    session.flush()


def _packed(numbers: Iterable[int]) -> bytes | None:
    found = list(numbers)
    return pack_numbers(found) if found else None
