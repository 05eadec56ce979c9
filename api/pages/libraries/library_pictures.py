"""The pictures of a library's photos: those there are, and asking workers for the others."""

from __future__ import annotations

from collections.abc import Collection

from api.services import services
from db.engine import Session
from db.libraries import find_library
from db.library_tables import Library
from db.thumbnail_requests import Picture, PictureState, ask_pictures, pictures_of

NONE = Picture(PictureState.NONE)


def look_at(tenant_id: str, library_id: str, photos: Collection[int]) -> dict[int, Picture]:
    """The pictures of photos that somebody sees now, by their numbers; those that are missing are asked for.

    Raises:
        NotFound: `library_not_found`.
    """
    with services().database.read() as session:
        found = _pictures(session, find_library(session, tenant_id, library_id), photos)
    if any(one.state == PictureState.WANTED and not one.asked for one in found.values()):
        with services().database.write() as session:
            new = ask_pictures(session, find_library(session, tenant_id, library_id), found)
        if new:
            services().doorbell.wake()
    return found


def _pictures(session: Session, library: Library, photos: Collection[int]) -> dict[int, Picture]:
    return dict.fromkeys(photos, NONE) | pictures_of(session, library, photos) if photos else {}


def still_wanted(pictures: dict[int, Picture]) -> list[int]:
    """The photos whose pictures may come."""
    return sorted(photo for photo, one in pictures.items() if one.state == PictureState.WANTED)
