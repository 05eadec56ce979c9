"""The bytes of uploads: when they may come, and when they may go.

They lie outside the database, so no transaction covers them. What keeps them from being removed while somebody needs
them is the row of their SHA-256: whoever brings bytes announces them there before (`announce`) and has an hour to make
an upload of them (`hold`); whoever removes them locks the row, sees that no upload names it, and takes the row along
(`remove_file`). A process that dies between two steps leaves a row that is looked at again. See docs/decisions/0090.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import case, delete, select, update
from sqlalchemy.orm import Session

from db.clock import now_ms
from db.tables import Upload, UploadFile
from db.upsert import insert_into

GRACE_MS = 3_600_000  # from the announcement of bytes to the upload that names them


def announce(session: Session, sha256: str) -> int:
    """Say that bytes are about to be stored; commit before storing them. Waits for whoever removes the same bytes.

    Returns:
        The time, for `hold`.
    """
    now = session.execute(select(now_ms())).scalar_one()
    due = now + GRACE_MS
    insert = insert_into(session, UploadFile).values(sha256=sha256, check_at=due)
    later = case((UploadFile.check_at > due, UploadFile.check_at), else_=due)  # somebody else's announcement counts too
    session.execute(insert.on_conflict_do_update(index_elements=["sha256"], set_={"check_at": later}))
    return now


def hold(session: Session, sha256: str, announced: int) -> bool:
    """Keep bytes that were stored after an announcement from going until this transaction has named them.

    Returns:
        False if storing took so long that they may be gone already: announce and store them again.
    """
    row = select(UploadFile.sha256).where(UploadFile.sha256 == sha256).with_for_update(read=True, key_share=True)
    if session.scalars(row).one_or_none() is None:
        return False
    return session.execute(select(now_ms())).scalar_one() < announced + GRACE_MS  # by now nobody else has the lock


def unneeded_files(session: Session, *, limit: int = 500) -> list[str]:
    """Look at files whose time to be looked at has come; returns those that no upload names."""
    due = select(UploadFile.sha256).where(UploadFile.check_at <= now_ms()).order_by(UploadFile.check_at).limit(limit)
    names = session.scalars(due.with_for_update(skip_locked=True)).all()
    needed = session.scalars(select(Upload.sha256).where(Upload.sha256.in_(names)).distinct()).all()
    session.execute(update(UploadFile).where(UploadFile.sha256.in_(needed)).values(check_at=None))
    return sorted(set(names) - set(needed))


def remove_file(session: Session, sha256: str, remove: Callable[[str], None]) -> bool:
    """Remove bytes that no upload names any more, within the transaction that keeps others from naming them.

    Args:
        remove: takes the bytes away; that they are gone already is no error.

    Returns:
        False if they are needed after all, or somebody else is at them.
    """
    row = select(UploadFile.sha256).where(UploadFile.sha256 == sha256, UploadFile.check_at <= now_ms())
    if session.scalars(row.with_for_update(skip_locked=True)).one_or_none() is None:
        return False
    if session.scalars(select(Upload.id).where(Upload.sha256 == sha256).limit(1)).first() is not None:
        return False
    remove(sha256)
    session.execute(delete(UploadFile).where(UploadFile.sha256 == sha256))
    return True
