"""Runs migrations: one transaction, one at a time, and never waiting long for a lock that stops the service."""

from __future__ import annotations

from typing import Any

from alembic import context
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from core.startup import starting_settings

# Their tables belong to Base.metadata.
from db import access_tables, ledger_tables, library_tables, throughput, thumbnail_tables  # noqa: F401
from db.engine import Database
from db.migrate import migration
from db.tables import Base

MIGRATION_LOCK = 7_420_130_011  # any number, as long as it is ours (pg_advisory_xact_lock)


def run(connection: Connection) -> None:
    sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection, target_metadata=Base.metadata, render_as_batch=sqlite, compare_type=False,
        on_version_apply=_check_references if sqlite else None,
    )  # fmt: skip
    with context.begin_transaction():
        if not sqlite:
            connection.execute(text("SET LOCAL lock_timeout = '10s'"))
            connection.execute(text("SET LOCAL statement_timeout = '10min'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
        context.run_migrations()


def _check_references(*, ctx: MigrationContext, **_: Any) -> None:
    """SQLite does not look at foreign keys while tables change (db.migrate.migration), so we do, after each step."""
    assert ctx.connection is not None
    broken = ctx.connection.exec_driver_sql("PRAGMA foreign_key_check").all()
    if broken:
        raise RuntimeError(f"the migration leaves rows that refer to nothing: {broken[:5]}")


given = context.config.attributes.get("connection")
if given is not None:
    run(given)
else:
    database = Database(starting_settings("database").sql_url)
    with migration(database) as own:
        run(own)
    database.close()
