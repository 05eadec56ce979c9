"""Opening the database: one engine for each process, and two kinds of transaction."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from sqlalchemy import Connection, create_engine, event, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError as Unavailable
from sqlalchemy.exc import ProgrammingError as NotMigrated
from sqlalchemy.exc import TimeoutError as NoConnection  # all that the pool may have are in use
from sqlalchemy.orm import Session
from sqlalchemy.pool import ConnectionPoolEntry

from db.changes import changed_jobs

__all__ = ["BUSY_TIMEOUT_S", "Database", "NoConnection", "NotMigrated", "Session", "Unavailable"]
BUSY_TIMEOUT_S = 30


class JobNews(Protocol):
    """Who is told of jobs that have changed."""

    def publish(self, job_ids: Iterable[str]) -> None:
        """Returns at once, and never raises."""

    def close(self) -> None: ...


class Database:
    """A connection pool on SQLite or PostgreSQL.

    `read` and `write` both open a transaction; on SQLite `write` takes the write lock at its start (BEGIN
    IMMEDIATE), because a read transaction that later wants to write is refused at once instead of waiting. Threads of
    one process take turns at a lock of their own before: SQLite lets those that wait sleep for up to 100 ms at a time,
    long after the lock is free.

    Args:
        job_news: is told, after each commit, which jobs it changed; closed with the database.
    """

    def __init__(self, url: str, *, pool_size: int = 20, job_news: JobNews | None = None) -> None:
        sqlite = make_url(url).get_backend_name() == "sqlite"
        args: dict[str, Any] = {"timeout": BUSY_TIMEOUT_S} if sqlite else {"connect_timeout": 10}
        self.engine = create_engine(
            url, pool_size=pool_size, max_overflow=10, pool_pre_ping=not sqlite, connect_args=args
        )
        self.is_sqlite = sqlite
        self._job_news = job_news
        self._turn = threading.Lock() if sqlite else None
        if sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session for reading; whatever it changes is rolled back."""
        with Session(self.engine) as session:
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that is committed at the end, or rolled back if the block raises."""
        engine = self.engine.execution_options(tagline_write=True)
        with self._in_turn(), Session(engine, expire_on_commit=False) as session, session.begin():
            yield session
        changed = changed_jobs(session)
        if changed and self._job_news is not None:
            self._job_news.publish(changed)

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        """Raises Unavailable, as SQLite does, after the time that it would wait."""
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=BUSY_TIMEOUT_S):
            raise Unavailable("BEGIN IMMEDIATE", None, TimeoutError("database is locked by a thread of this process"))
        try:
            yield
        finally:
            self._turn.release()

    def close(self) -> None:
        if self._job_news is not None:
            self._job_news.close()
        self.engine.dispose()


def _configure_sqlite(connection: DBAPIConnection, record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # we emit BEGIN ourselves, see _begin_sqlite
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_S * 1000}",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writing = connection.get_execution_options().get("tagline_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")
