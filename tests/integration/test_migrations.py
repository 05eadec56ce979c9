"""Migrations, up and down, on both databases."""

from __future__ import annotations

import os
import subprocess
import sys

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect

from db.engine import Database
from db.migrate import alembic_config, migrate, rollback
from db.tables import Base


def _tables(database: Database) -> set[str]:
    return set(inspect(database.engine).get_table_names()) - {"alembic_version"}


def test_up_down_and_up_again(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    migrate(database)
    assert _tables(database) == set(Base.metadata.tables)
    rollback(database, "base")
    assert _tables(database) == set()
    migrate(database)
    assert _tables(database) == set(Base.metadata.tables)
    database.close()


def test_migrations_and_tables_say_the_same(database: Database) -> None:
    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)
    assert differences == []


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(alembic_config()).get_heads()) == 1


def test_several_that_migrate_at_once_do_not_collide(empty_database_url: str) -> None:
    env = {**os.environ, "TAGLINE_DATABASE_URL": empty_database_url}
    several = [subprocess.Popen([sys.executable, "-m", "db.migrate"], env=env) for _ in range(3)]
    assert [process.wait() for process in several] == [0, 0, 0]
