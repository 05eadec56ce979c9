"""Renamed photos: known by their bytes, they go on under their new key, with their id and what people said."""

from __future__ import annotations

from sqlalchemy import delete, exists, or_, select
from sqlalchemy.orm import Session, aliased

from db.library_tables import LibraryChange, LibraryPhoto, LibraryRun


def find_moved(session: Session, run: LibraryRun, sha256: bytes) -> LibraryPhoto | None:
    """A photo of the run's library that has these bytes and whose own key the source no longer lists; locked."""
    gone, taken = aliased(LibraryChange), aliased(LibraryChange)
    lost = exists().where(gone.run == run.number, gone.kind == "gone", gone.photo == LibraryPhoto.id)
    used = exists().where(taken.run == run.number, taken.kind != "gone", taken.photo == LibraryPhoto.id)
    query = (
        select(LibraryPhoto)
        .where(
            LibraryPhoto.library == run.library,
            LibraryPhoto.sha256 == sha256,
            or_(LibraryPhoto.missing_since.is_not(None), lost),
            ~used,
        )
        .order_by(LibraryPhoto.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    return session.scalars(query).first()


def give_new_key(
    session: Session, run: LibraryRun, photo: LibraryPhoto, change: LibraryChange, *, replaced: LibraryPhoto | None
) -> None:
    """Let a photo go on under the key of a change; it is not gone any more.

    Args:
        replaced: what stood under that key, and never had any output.
    """
    not_gone(session, run, photo)
    if replaced is not None:
        session.delete(replaced)
        session.flush()
    photo.key, photo.locator, photo.missing_since = change.key, change.locator, None
    change.photo = photo.id
    session.flush()


def not_gone(session: Session, run: LibraryRun, photo: LibraryPhoto) -> None:
    """Take back that a run found a photo gone."""
    gone = (LibraryChange.run == run.number, LibraryChange.kind == "gone", LibraryChange.photo == photo.id)
    session.execute(delete(LibraryChange).where(*gone))
