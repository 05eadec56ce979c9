"""Fixtures for tests of the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from api.app import close_app, create_app
from core.settings import Settings
from db import keys
from db.engine import Database
from db.migrate import migrate
from tests.support.api import KEY, Caller, Server, api_server


@pytest.fixture
def app(database: Database, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Flask]:
    """The application on a real database and a real Valkey, in this process."""
    made = create_app(
        Settings(
            database_url=database_url, redis_url=redis_url, data_dir=tmp_path, max_json_bytes=100_000, chunk_size=4
        )
    )
    yield made
    close_app(made)


def _caller(app: Flask, database: Database, name: str) -> Caller:
    with database.write() as session:
        tenant = keys.create_tenant(session, name, "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
        key = keys.create_key(session, tenant, name)
    return Caller(app.test_client(), key)


@pytest.fixture
def acme(app: Flask, database: Database) -> Caller:
    """Somebody with a key."""
    return _caller(app, database, "acme-api")


@pytest.fixture
def rival(app: Flask, database: Database) -> Caller:
    """Somebody else with a key."""
    return _caller(app, database, "rival-api")


@pytest.fixture(scope="module")
def server(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The API as a process, on SQLite; shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("api")
    settings = Settings(data_dir=folder)
    database = Database(settings.sql_url)
    migrate(database)
    with database.write() as session:
        keys.ensure_first_key(session, KEY, "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
    database.close()
    env = {"TAGLINE_DATA_DIR": str(folder), "TAGLINE_REDIS_URL": redis_url, "TAGLINE_MAX_WAITING": "6"}
    with api_server(env, folder / "api.log") as running:
        yield running
