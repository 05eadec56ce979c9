"""Photos of a library: pages, one of them, how often each label is there, and what people say of them."""

from __future__ import annotations

from typing import Any

from core.errors import RequestError
from db import library_edits
from db.engine import Session
from db.labels import fold
from db.libraries import find_library
from db.library_label_counts import count_labels
from db.library_photos import PhotoFilter, find_photo, page_photos, view_photos
from db.library_tables import LibraryPhoto
from jobs.storable import check_text
from libraries.library_fields import CaptionEdit, LabelEdits

View = dict[str, Any]


def list_photos(
    session: Session, tenant_id: str, library_id: str, wanted: PhotoFilter, *, limit: int, after: int = 0
) -> list[View]:
    """Up to `limit` photos whose id, as a number, is above `after`, by that number; raises NotFound."""
    return page_photos(session, find_library(session, tenant_id, library_id), wanted, limit=limit, after=after)


def read_photo(session: Session, tenant_id: str, library_id: str, photo_id: str) -> View:
    """A photo.

    Raises:
        NotFound: `library_not_found`, `photo_not_found`.
    """
    [view] = view_photos(session, [find_photo(session, find_library(session, tenant_id, library_id), photo_id)])
    return view


def label_counts(session: Session, tenant_id: str, library_id: str, least: float = 0.0) -> list[View]:
    """How many photos each label stands at, the most frequent first: {"label", "count"}.

    Args:
        least: labels of models count where they score so much.
    """
    library = find_library(session, tenant_id, library_id)
    return [{"label": label, "count": count} for label, count in count_labels(session, library, least)]


def edit_labels(session: Session, tenant_id: str, library_id: str, photo_id: str, edits: LabelEdits) -> View:
    """Add and remove labels of a photo, for ever; answers with what stands now.

    Raises:
        NotFound: `library_not_found`, `photo_not_found`.
        RequestError: `field_invalid`, a label is blank, cannot be stored, or is in both lists.
    """
    photo = find_photo(session, find_library(session, tenant_id, library_id), photo_id)
    add, remove = _labels(edits.add, "/add"), _labels(edits.remove, "/remove")
    added = {fold(label) for label in add}
    for place, label in enumerate(remove):
        if fold(label) in added:
            raise RequestError("field_invalid", "This label is to be added, too.", where=f"/remove/{place}")
    return _stands_now(session, library_edits.edit_labels(session, photo.id, add=add, remove=remove))


def edit_caption(session: Session, tenant_id: str, library_id: str, photo_id: str, edit: CaptionEdit) -> View:
    """Give a photo a caption, for ever, or give it back to the model; answers and raises as `edit_labels`."""
    photo = find_photo(session, find_library(session, tenant_id, library_id), photo_id)
    if edit.text is not None:
        check_text(edit.text, "/text")
        if not edit.text.strip():
            raise RequestError(
                "field_invalid", "This caption is blank; null gives it back to the model.", where="/text"
            )
    text = edit.text.strip() if edit.text is not None else None
    return _stands_now(session, library_edits.edit_caption(session, photo.id, text))


def _stands_now(session: Session, photo: LibraryPhoto) -> View:
    [view] = view_photos(session, [photo])
    return view


def _labels(given: list[str], where: str) -> list[str]:
    for place, label in enumerate(given):
        check_text(label, f"{where}/{place}")
        if not fold(label):
            raise RequestError("field_invalid", "This label is blank.", where=f"{where}/{place}")
    return [label.strip() for label in given]
