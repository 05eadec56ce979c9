"""The embeddings of a library's photos, for search."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.ledger_tables import LedgerEntry
from db.library_tables import Library, LibraryPhoto, LibraryRun

SLICE = 5_000


def last_models(session: Session, library: Library) -> dict[str, str]:
    """NAME@VERSION by task of the library's last run that pinned any; none if it never ran."""
    query = select(LibraryRun.models).where(LibraryRun.library == library.number, LibraryRun.spec.is_not(None))
    found = session.scalars(query.order_by(LibraryRun.number.desc()).limit(1)).first()
    return dict(found or {})


def read_embeddings(session: Session, library: int, recipe: int) -> Iterator[list[tuple[int, bytes]]]:
    """Slices of the numbers of photos and their embeddings, float16, by number."""
    photo, entry = LibraryPhoto, LedgerEntry
    after = 0
    while True:
        ids = select(photo.id).where(photo.library == library, photo.id > after).order_by(photo.id).limit(SLICE)
        upper = session.scalars(select(func.max(ids.subquery().c.id))).one()
        if upper is None:
            return
        rows = session.execute(
            select(photo.id, entry.body)
            .join(entry, entry.sha256 == func.coalesce(photo.sha256, photo.shown))
            .where(photo.library == library, photo.id > after, photo.id <= upper, entry.recipe == recipe)
            .order_by(photo.id)
        ).all()
        yield [(row.id, bytes(row.body)) for row in rows]
        after = upper
