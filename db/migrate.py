"""Bringing the database to this version of the code, or back: `python -m db.migrate [REVISION]`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from core.startup import starting_settings
from db.engine import Database

SCRIPTS = Path(__file__).resolve().parent.parent / "alembic"


def alembic_config() -> Config:
    """Alembic's configuration without its ini file, so that it works from any folder."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


@contextmanager
def migration(database: Database) -> Iterator[Connection]:
    """One transaction in which the tables may change.

    To change a column, SQLite makes the table anew; dropping the old one would take along whatever refers to it, so
    foreign keys are off meanwhile (sqlite.org/lang_altertable.html), and looked at after each step by alembic/env.py.
    """
    with database.engine.execution_options(tagline_write=True).connect() as connection:
        _foreign_keys(database, connection, "OFF")
        try:
            with connection.begin():
                yield connection
        finally:
            _foreign_keys(database, connection, "ON")


def _foreign_keys(database: Database, connection: Connection, state: str) -> None:
    if database.is_sqlite:  # on the driver's own connection: within a transaction the setting has no effect
        connection.connection.cursor().execute(f"PRAGMA foreign_keys={state}").close()


def migrate(database: Database, revision: str = "head") -> None:
    """Upgrade to `revision`, in one transaction."""
    config = alembic_config()
    with migration(database) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def rollback(database: Database, revision: str) -> None:
    """Downgrade to `revision` ("base" for an empty database)."""
    config = alembic_config()
    with migration(database) as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


if __name__ == "__main__":
    opened = Database(starting_settings("database").sql_url)
    migrate(opened, *sys.argv[1:2])
    opened.close()
