"""Fixtures for all tests: real servers, started once a session, and a fresh database for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.ids import new_id
from core.settings import Settings
from db import keys
from db.engine import Database
from db.migrate import migrate
from tests.support.postgres import fresh_database, postgres_server
from tests.support.valkey import valkey_server


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with valkey_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database: each test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'tagline.db'}"
        return
    with fresh_database(request.getfixturevalue("postgres_url"), "test_" + new_id().replace("-", "")) as url:
        yield Settings(database_url=url).sql_url


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database."""
    opened = Database(database_url)
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def tenant(database: Database) -> str:
    """The id of a tenant."""
    with database.write() as session:
        return keys.create_tenant(session, "acme", "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
