"""Fixtures for all tests: real servers, started once a session, and a fresh database for each test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pycurl  # noqa: F401  # before TensorFlow, which brings an older libcurl along: whoever is first wins
import pytest

from core.ids import new_id
from core.settings import Settings
from db import keys
from db.engine import Database
from db.migrate import migrate
from tests.support.postgres import fresh_database, postgres_server
from tests.support.valkey import valkey_server

pytest_plugins = [
    "tests.support.api_fixtures",
    "tests.support.model_fixtures",
    "tests.support.up_fixtures",
    "tests.support.browser_fixtures",
]


@pytest.fixture(autouse=True)
def spared_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A supervisor inside this process would end the tests' own servers as orphans: they are its children, too."""
    monkeypatch.setattr("cli.stack.supervisor.end_adopted", lambda known: None)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    with postgres_server() as url:
        yield url


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with valkey_server() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file, to be copied: much faster than migrating for each test."""
    path = tmp_path_factory.mktemp("template") / "tagline.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres_url: str) -> Iterator[str]:
    """The name of a migrated database on the PostgreSQL server, to be copied."""
    with fresh_database(postgres_url, "template") as url:
        _migrate(Settings(database_url=url).sql_url)
        yield "template"


def _migrate(url: str) -> None:
    opened = Database(url)
    migrate(opened)
    opened.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without tables: each test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'tagline.db'}"
        return
    with fresh_database(request.getfixturevalue("postgres_url"), _name()) as url:
        yield Settings(database_url=url).sql_url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database: each test that asks for it runs on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        path = tmp_path / "tagline.db"
        shutil.copy(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    template = request.getfixturevalue("postgres_template")
    with fresh_database(request.getfixturevalue("postgres_url"), _name(), template) as url:
        yield Settings(database_url=url).sql_url


def _name() -> str:
    return "test_" + new_id().replace("-", "")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database, opened."""
    opened = Database(database_url)
    yield opened
    opened.close()


@pytest.fixture
def tenant(database: Database) -> str:
    """The id of a tenant."""
    with database.write() as session:
        return keys.create_tenant(session, "acme", "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes get the argument's name and a number: what is compressed carries the time, and two processes that share the
    tests must find the same ones."""
    return argname if isinstance(val, bytes) else None
