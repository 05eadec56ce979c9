"""When thumbnails go: a tenant's, once nobody has needed it for long; the bytes, once no tenant has it any more."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from core.inputs import groups
from db.clock import now_ms
from db.library_tables import Library, LibraryPhoto
from db.thumbnail_tables import Thumbnail, ThumbnailFile, ThumbnailRequest
from db.thumbnails import AT_A_TIME, DAY_MS
from db.upsert import insert_into

MARK_MS = DAY_MS  # how long the mark of a removal stays; no chunk is in a worker's hands for so long
GRACE_MS = 3_600_000  # bytes that have no row: a worker may be about to write it


def expire_thumbnails(session: Session, *, retention_days: float, tenant_id: str | None = None) -> int:
    """Remove a slice of the thumbnails (of one tenant) that no job used for so long and no library of theirs lists.

    Returns:
        How many were looked at.
    """
    old = Thumbnail.used_at < now_ms() - round(retention_days * DAY_MS)
    query = select(Thumbnail.tenant_id, Thumbnail.sha256).where(old).order_by(Thumbnail.used_at).limit(AT_A_TIME)
    if tenant_id is not None:
        query = query.where(Thumbnail.tenant_id == tenant_id)
    looked = [(row.tenant_id, bytes(row.sha256)) for row in session.execute(query)]
    if not looked:
        return 0
    names = sorted({sha256 for _, sha256 in looked})
    files = select(ThumbnailFile.sha256).where(ThumbnailFile.sha256.in_(names)).order_by(ThumbnailFile.sha256)
    session.scalars(files.with_for_update()).all()  # whoever is about to note that they are needed has done so now
    listed = _listed(session, names)
    for owner, sha256 in sorted(looked):
        mine = (Thumbnail.tenant_id == owner, Thumbnail.sha256 == sha256, old)
        if (owner, sha256) in listed:  # so that it is not looked at again tomorrow
            session.execute(update(Thumbnail).where(*mine).values(used_at=now_ms()))
        else:
            session.execute(delete(Thumbnail).where(*mine))
    session.execute(update(ThumbnailFile).where(ThumbnailFile.sha256.in_(names)).values(check_at=now_ms()))
    return len(looked)


def _listed(session: Session, hashes: list[bytes]) -> set[tuple[str, bytes]]:
    """Tenant and SHA-256 of what stands at a photo of a library."""
    photo = LibraryPhoto
    query = (
        select(Library.tenant_id, photo.sha256, photo.shown)
        .join(Library, Library.number == photo.library)
        .where(Library.deleted_at.is_(None), or_(photo.sha256.in_(hashes), photo.shown.in_(hashes)))
    )
    rows = session.execute(query).all()
    return {(row.tenant_id, bytes(one)) for row in rows for one in (row.sha256, row.shown) if one is not None}


def unneeded_files(session: Session, *, limit: int = AT_A_TIME) -> list[str]:
    """Look at files whose time to be looked at has come; returns the names of those that no tenant has."""
    file = ThumbnailFile
    due = select(file.sha256, file.removed_at).where(file.check_at <= now_ms()).order_by(file.check_at).limit(limit)
    rows = session.execute(due.with_for_update(skip_locked=True)).all()
    marks = [row.sha256 for row in rows if row.removed_at is not None]
    session.execute(delete(file).where(file.sha256.in_(marks)))
    names = {bytes(row.sha256) for row in rows if row.removed_at is None}
    needed = set(session.scalars(select(Thumbnail.sha256).where(Thumbnail.sha256.in_(names)).distinct()))
    session.execute(update(file).where(file.sha256.in_(needed)).values(check_at=None))
    return sorted(name.hex() for name in names - needed)


def remove_file(session: Session, sha256: str, remove: Callable[[str], None]) -> bool:
    """Remove bytes that no tenant has any more, and leave a mark that says when.

    Args:
        remove: takes the bytes away; that they are gone already is no error.

    Returns:
        False if they are needed after all, or somebody else is at them.
    """
    file, name = ThumbnailFile, bytes.fromhex(sha256)
    row = select(file.sha256).where(file.sha256 == name, file.check_at <= now_ms(), file.removed_at.is_(None))
    if session.scalars(row.with_for_update(skip_locked=True)).one_or_none() is None:
        return False
    if session.scalars(select(Thumbnail.tenant_id).where(Thumbnail.sha256 == name).limit(1)).first() is not None:
        return False
    remove(sha256)
    mark = update(file).where(file.sha256 == name).values(removed_at=now_ms(), check_at=now_ms() + MARK_MS)
    session.execute(mark)
    return True


def note_files(session: Session, names: Iterable[str]) -> None:
    """Give a row to bytes that have none: their worker died before it could write it. They go like others."""
    for some in groups(sorted(names), AT_A_TIME):
        rows = [{"sha256": bytes.fromhex(name), "check_at": now_ms() + GRACE_MS} for name in some]
        session.execute(insert_into(session, ThumbnailFile).values(rows).on_conflict_do_nothing())


def clear_requests(session: Session, *, days: float = 1.0) -> int:
    """Remove requests that were refused or that no worker took for so long; returns how many."""
    old = ThumbnailRequest.asked_at < now_ms() - round(days * DAY_MS)
    gone = session.execute(delete(ThumbnailRequest).where(old).execution_options(synchronize_session=False))
    return int(gone.rowcount)  # type: ignore[attr-defined]
