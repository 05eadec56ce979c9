"""Libraries: making, reading, changing and giving up. Neither starts a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.ids import new_id
from db.clock import now_ms
from db.library_tables import Library

WRITING_LOCK = 7_420_130_015  # any number, as long as it is ours (pg_advisory_xact_lock)


def add_library(session: Session, tenant_id: str, values: Mapping[str, Any]) -> Library:
    """Write a new library. `values` are columns: name, source, tasks, options, models, schedule and so on."""
    now = session.execute(select(now_ms())).scalar_one()
    library = Library(id=new_id(), tenant_id=tenant_id, created_at=now, updated_at=now, **values)
    session.add(library)
    session.flush()
    return library


def find_library(session: Session, tenant_id: str, library_id: str, *, lock: bool = False) -> Library:
    """A tenant's library.

    Raises:
        NotFound: `library_not_found`, also for somebody else's.
    """
    query = select(Library).where(
        Library.id == library_id, Library.tenant_id == tenant_id, Library.deleted_at.is_(None)
    )
    if lock:
        query = query.with_for_update()
    library = session.scalars(query.execution_options(populate_existing=True)).one_or_none()
    if library is None:
        raise NotFound("library_not_found", f"There is no library {library_id}.")
    return library


def library_numbered(session: Session, number: int, *, lock: bool = False) -> Library | None:
    """A library by its number, whoever owns it; None if it is gone, or locked by somebody else."""
    query = select(Library).where(Library.number == number)
    if lock:
        query = query.with_for_update(skip_locked=True)
    return session.scalars(query.execution_options(populate_existing=True)).one_or_none()


def due_libraries(session: Session, limit: int = 100) -> Sequence[int]:
    """The numbers of libraries whose schedule wants a run now."""
    due = (Library.next_due_at <= now_ms(), Library.deleted_at.is_(None))
    return session.scalars(select(Library.number).where(*due).order_by(Library.next_due_at).limit(limit)).all()


def list_libraries(session: Session, tenant_id: str, *, limit: int, before: str | None = None) -> Sequence[Library]:
    """A tenant's libraries, newest first, older than the id `before`."""
    query = select(Library).where(Library.tenant_id == tenant_id, Library.deleted_at.is_(None))
    if before is not None:
        query = query.where(Library.id < before)
    return session.scalars(query.order_by(Library.id.desc()).limit(limit)).all()


def change_library(session: Session, library: Library, values: Mapping[str, Any]) -> None:
    """Replace columns of a library that is locked."""
    for name, value in values.items():
        setattr(library, name, value)
    library.updated_at = session.execute(select(now_ms())).scalar_one()
    session.flush()


def hide_library(session: Session, library: Library) -> None:
    """Give a library up: it is gone for everybody, and its rows go soon after, a slice at a time."""
    library.deleted_at = session.execute(select(now_ms())).scalar_one()
    library.next_due_at = None
    session.flush()


def touch_library(session: Session, number: int) -> None:
    """Note that what searches of a library see has changed. Last in its transaction, because it locks the row."""
    session.execute(
        update(Library)
        .where(Library.number == number)
        .values(changed=Library.changed + 1)
        .execution_options(synchronize_session=False)
    )


def count_libraries(session: Session, tenant_id: str) -> int:
    """How many libraries a tenant has."""
    query = select(func.count()).select_from(Library)
    return session.scalars(query.where(Library.tenant_id == tenant_id, Library.deleted_at.is_(None))).one()


def libraries_that_write(session: Session) -> Sequence[Library]:
    """Everybody's libraries that write sidecars. Until the transaction ends nobody else gets this answer."""
    if session.get_bind().dialect.name != "sqlite":  # there a writer is alone
        session.execute(select(func.pg_advisory_xact_lock(WRITING_LOCK)))
    return session.scalars(select(Library).where(Library.write != "none", Library.deleted_at.is_(None))).all()
