"""Photos of libraries that somebody looks at and that have no thumbnail yet: asked for by pages, answered by workers.

A request names a photo of a library by its number; what its bytes are, the photo's row says.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from db.clock import current_ms, now_ms
from db.library_tables import Library, LibraryPhoto
from db.thumbnail_tables import Thumbnail, ThumbnailRequest
from db.upsert import insert_into

WAITING_AT_MOST = 200  # requests of a tenant; who looks at more is served once some of these are
TAKEN_AT_A_TIME = 8
TAKEN_MS = 60_000  # a worker that has not answered by then is taken for dead
AGAIN_MS = 3_600_000  # after a failure that may pass
LATER_MS = 86_400_000  # after one that will not, until the photo changes


class PictureState(StrEnum):
    """Whether there is a picture of a photo."""

    THERE = "there"
    WANTED = "wanted"  # it has been asked for, or can be
    REFUSED = "refused"  # the photo cannot be shown; `error_code` says why
    NONE = "none"  # nobody knows its bytes: it was never read


@dataclass(frozen=True, slots=True)
class Picture:
    """What a page knows of a photo's picture.

    Attributes:
        sha256: of the bytes that its labels are of.
        asked: a worker will make it.
        error_code: why there is none.
    """

    state: PictureState
    sha256: str = ""
    asked: bool = False
    error_code: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """A photo that a worker is to read: where its library's source is, and of which bytes a thumbnail is wanted."""

    photo: int
    tenant_id: str
    source: Mapping[str, Any]
    key: str
    locator: Mapping[str, str] | None
    sha256: bytes
    since: int  # when it was taken; see db.thumbnails


_BYTES = func.coalesce(LibraryPhoto.shown, LibraryPhoto.sha256)


def pictures_of(session: Session, library: Library, photos: Collection[int]) -> dict[int, Picture]:
    """The pictures of some photos of a library, by their numbers: one query for a page of them."""
    mine = and_(Thumbnail.tenant_id == library.tenant_id, Thumbnail.sha256 == _BYTES)
    request = ThumbnailRequest
    rows = session.execute(
        select(
            LibraryPhoto.id, _BYTES.label("bytes"), Thumbnail.used_at, request.asked_at, request.error_code,
            (request.again_at <= now_ms()).label("over"),
        )
        .outerjoin(Thumbnail, mine)
        .outerjoin(request, and_(request.photo == LibraryPhoto.id, request.sha256 == _BYTES))
        .where(LibraryPhoto.library == library.number, LibraryPhoto.id.in_(photos))
    )  # fmt: skip
    return {row.id: _picture(row) for row in rows}


def _picture(row: Any) -> Picture:
    if row.bytes is None:
        return Picture(PictureState.NONE)
    sha256 = bytes(row.bytes).hex()
    if row.used_at is not None:
        return Picture(PictureState.THERE, sha256)
    if row.error_code is not None and not row.over:
        return Picture(PictureState.REFUSED, sha256, error_code=row.error_code)
    return Picture(PictureState.WANTED, sha256, asked=row.asked_at is not None and row.error_code is None)


def ask_pictures(session: Session, library: Library, pictures: Mapping[int, Picture]) -> bool:
    """Ask for those pictures that are wanted and not asked for, as far as the tenant has room for more; True if any is
    new."""
    request = ThumbnailRequest
    mine = (request.tenant_id == library.tenant_id, request.error_code.is_(None))
    room = WAITING_AT_MOST - session.scalars(select(func.count()).select_from(request).where(*mine)).one()
    wanted = [photo for photo, one in pictures.items() if one.state == PictureState.WANTED and not one.asked]
    there = select(LibraryPhoto.id).where(LibraryPhoto.id.in_(wanted[: max(room, 0)])).order_by(LibraryPhoto.id)
    now = current_ms(session)
    rows = [
        {
            "photo": photo, "tenant_id": library.tenant_id, "asked_at": now,
            "sha256": bytes.fromhex(pictures[photo].sha256),
        }
        for photo in session.scalars(there.with_for_update(read=True, key_share=True))
    ]  # fmt: skip
    if rows:
        insert = insert_into(session, request)
        given = insert.excluded
        anew = {
            "sha256": given.sha256, "asked_at": now, "taken_until": 0, "error_code": None, "again_at": None,
        }  # fmt: skip
        over = or_(request.error_code.is_not(None), request.sha256 != given.sha256)
        session.execute(insert.values(rows).on_conflict_do_update(index_elements=["photo"], set_=anew, where=over))
    return bool(rows)


def requests_wait(session: Session) -> bool:
    """Whether there is anything for `take_requests`."""
    return session.scalars(select(ThumbnailRequest.photo).where(*_open()).limit(1)).first() is not None


def take_requests(session: Session) -> list[Wanted]:
    """Take the oldest requests that nobody is at, of tenants in turn; other workers leave them alone for a while."""
    request = ThumbnailRequest
    turn = func.row_number().over(partition_by=request.tenant_id, order_by=request.asked_at).label("turn")
    waiting = select(request.photo, turn, request.asked_at).where(*_open()).subquery()
    first = select(waiting.c.photo).order_by(waiting.c.turn, waiting.c.asked_at).limit(TAKEN_AT_A_TIME)
    mine = select(request.photo).where(request.photo.in_(first), *_open())
    taken = session.scalars(mine.with_for_update(skip_locked=True)).all()
    session.execute(
        update(ThumbnailRequest).where(ThumbnailRequest.photo.in_(taken)).values(taken_until=now_ms() + TAKEN_MS)
    )
    since = current_ms(session)
    rows = session.execute(
        select(
            ThumbnailRequest.photo, ThumbnailRequest.tenant_id, Library.source, LibraryPhoto.key,
            LibraryPhoto.locator, ThumbnailRequest.sha256,
        )
        .join(LibraryPhoto, LibraryPhoto.id == ThumbnailRequest.photo)
        .join(Library, Library.number == LibraryPhoto.library)
        .where(ThumbnailRequest.photo.in_(taken))
        .order_by(ThumbnailRequest.asked_at)
    )  # fmt: skip
    return [
        Wanted(row.photo, row.tenant_id, row.source or {}, row.key, row.locator, bytes(row.sha256), since)
        for row in rows
    ]


def _open() -> tuple[Any, ...]:
    return (ThumbnailRequest.error_code.is_(None), ThumbnailRequest.taken_until < now_ms())


def close_request(session: Session, photo: int) -> None:
    """The thumbnail is there."""
    session.execute(delete(ThumbnailRequest).where(ThumbnailRequest.photo == photo))


def refuse_request(session: Session, photo: int, code: str, *, permanent: bool) -> None:
    """The photo cannot be shown now; until some time has passed, nobody asks again."""
    again = now_ms() + (LATER_MS if permanent else AGAIN_MS)
    session.execute(
        update(ThumbnailRequest).where(ThumbnailRequest.photo == photo).values(error_code=code, again_at=again)
    )
