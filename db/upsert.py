"""INSERT ... ON CONFLICT, which PostgreSQL and SQLite share and SQLAlchemy offers for each apart."""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from db.tables import Base


def insert_into(session: Session, table: type[Base]) -> Insert:
    """An INSERT with `on_conflict_do_update` and `on_conflict_do_nothing`, in the words of the session's database."""
    return insert_by(table, sqlite=on_sqlite(session))


def insert_by(table: type[Base] | Table, *, sqlite: bool) -> Insert:
    """As `insert_into`, where it is known whose words they have to be."""
    return cast(Insert, sqlite_insert(table)) if sqlite else pg_insert(table)


def on_sqlite(session: Session) -> bool:
    """Whether the session's database is SQLite."""
    return session.get_bind().dialect.name == "sqlite"
