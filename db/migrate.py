"""Bringing the database to this version of the code, or back: `python -m db.migrate [REVISION]`."""

from __future__ import annotations

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

from core.startup import starting_settings
from db.engine import Database

SCRIPTS = Path(__file__).resolve().parent.parent / "alembic"


def alembic_config() -> Config:
    """Alembic's configuration without its ini file, so that it works from any folder."""
    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    return config


def migrate(database: Database, revision: str = "head") -> None:
    """Upgrade to `revision`, in one transaction."""
    config = alembic_config()
    with database.engine.execution_options(tagline_write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def rollback(database: Database, revision: str) -> None:
    """Downgrade to `revision` ("base" for an empty database)."""
    config = alembic_config()
    with database.engine.execution_options(tagline_write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, revision)


if __name__ == "__main__":
    opened = Database(starting_settings("database").sql_url)
    migrate(opened, *sys.argv[1:2])
    opened.close()
