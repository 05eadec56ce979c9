"""Manifests that were streamed to us: written in slices, under an edition that counts once it has come whole."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.clock import current_ms
from db.library_listing import Listed
from db.library_tables import Library, LibraryManifest
from db.upsert import insert_into

PAGE = 1_000
_SPREAD = 1_000  # editions that begin within one millisecond


def new_edition(session: Session) -> int:
    """The number of a manifest that is to come; later ones are higher."""
    return current_ms(session) * _SPREAD + secrets.randbelow(_SPREAD)


def write_manifest(session: Session, library: int, edition: int, photos: Sequence[Listed]) -> None:
    """Write some of its lines; of those with one key the first counts."""
    rows = [
        {
            "library": library,
            "edition": edition,
            "key": photo.key,
            "locator": dict(photo.locator) if photo.locator and dict(photo.locator) != {"url": photo.key} else None,
        }
        for photo in photos
    ]
    if rows:
        session.execute(insert_into(session, LibraryManifest).on_conflict_do_nothing(), rows)


def accept_manifest(session: Session, library: Library, edition: int) -> int:
    """Let a manifest that has come whole count, if none that began later does; returns how many photos it names."""
    mine = (LibraryManifest.library == library.number, LibraryManifest.edition == edition)
    photos = session.scalars(select(func.count()).select_from(LibraryManifest).where(*mine)).one()
    if edition > library.manifest:
        library.manifest = edition
    return photos


def manifest_page(
    session: Session, library: int, edition: int, *, after: str = ""
) -> Sequence[tuple[str, dict[str, str] | None]]:
    """Keys and locators behind a key, by key; a locator is None where the key is the URL."""
    mine = (LibraryManifest.library == library, LibraryManifest.edition == edition)
    rows = session.execute(
        select(LibraryManifest.key, LibraryManifest.locator)
        .where(*mine, LibraryManifest.key > after)
        .order_by(LibraryManifest.key)
        .limit(PAGE)
    )
    return [(row.key, row.locator) for row in rows]
