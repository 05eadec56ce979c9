"""Real workers and schedulers killed in the middle of a library's run: it goes on where it was, and nothing twice."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

pytest.importorskip("tensorflow")

from sqlalchemy import func, select

from core.artefacts.catalogue import Catalogue
from core.settings import Settings
from core.states import RunState
from core.storage.blobs import FolderBlobs
from core.storage.thumbnail_store import read_thumbnail
from db.engine import Database
from db.ledger_tables import LedgerEntry
from db.library_photos import PhotoFilter
from db.library_tables import LibraryListing
from db.tables import Delivery
from db.thumbnails import thumbnails_there
from jobs.fields import read_fields
from libraries import changes, photos, runs
from libraries.library_fields import LibraryFields, RunFields
from libraries.manage import Surroundings, create_library
from tests.support.libraries import write_photo
from tests.support.stack import Stack, running
from tests.support.waiting import until

COUNT = 200


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    for number in range(COUNT):
        write_photo(place / f"{number % 7}" / f"{number:03}.png", number)
    return place


@pytest.fixture
def settings(database_url: str, redis_url: str, models: Path, folder: Path, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url, redis_url=redis_url, data_dir=tmp_path / "data", models_dir=models,
        folders=(str(folder),), chunk_size=16,
    )  # fmt: skip


@pytest.fixture
def stack(settings: Settings, database: Database, tmp_path: Path) -> Iterator[Stack]:
    env = {
        "TAGLINE_MODELS_DIR": str(settings.models_dir),
        "TAGLINE_DATABASE_URL": settings.database_url,
        "TAGLINE_REDIS_URL": settings.redis_url,
        "TAGLINE_DATA_DIR": str(settings.data_dir),
        "TAGLINE_FOLDERS": ",".join(settings.folders),
        "TAGLINE_CHUNK_SIZE": "16",
        "TAGLINE_LEASE_S": "2",
    }
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushall()
    with running(env, tmp_path, database) as opened:
        yield opened


@pytest.fixture
def library(database: Database, settings: Settings, tenant: str, folder: Path) -> str:
    fields = {
        "name": "mine", "tasks": ["classify"], "source": {"folder": str(folder)},
        "webhook": {"url": "http://127.0.0.1:9/"},
    }  # fmt: skip
    around = Surroundings(settings, Catalogue(settings.models_dir), ())
    with database.write() as session:
        return create_library(session, tenant, read_fields(LibraryFields, fields), around).id


def test_a_run_survives_the_death_of_whoever_has_it_in_hand(
    stack: Stack, database: Database, tenant: str, library: str
) -> None:
    with database.write() as session:
        run = str(runs.start_run(session, tenant, library, read_fields(RunFields, {}))["id"])

    def read() -> dict[str, Any]:
        with database.read() as session:
            return runs.read_run(session, tenant, library, run)

    def listed() -> int:
        with database.read() as session:
            return session.scalars(select(func.count()).select_from(LibraryListing)).one()

    worker, scheduler = stack.worker(), stack.scheduler()
    until(lambda: read()["state"] == "listing" or listed(), what="the beginning of the listing")
    worker.kill()
    worker = stack.start_worker()
    until(lambda: read()["counts"]["succeeded"] > 0, timeout_s=300, what="the first photos")
    for process in (worker, scheduler):
        process.kill()
    assert not RunState(read()["state"]).finished
    stack.start_worker()
    stack.scheduler()
    until(lambda: RunState(read()["state"]).finished, timeout_s=300, what="the end of the run")
    counts = read()["counts"]
    assert {name: count for name, count in counts.items() if count} == {
        "listed": COUNT, "new": COUNT, "ran": COUNT, "succeeded": COUNT,
    }  # fmt: skip
    with database.read() as session:
        found = changes.list_changes(session, tenant, library, run, limit=1000)
        assert Counter(change["outcome"] for _, change in found) == {"succeeded": COUNT}
        assert len({change["key"] for _, change in found}) == COUNT
        views = photos.list_photos(session, tenant, library, PhotoFilter(), limit=1000)
        assert len({view["key"] for view in views}) == COUNT
        assert all(len(view["labels"]) == 3 for view in views)
        assert session.scalars(select(func.count()).select_from(LedgerEntry)).one() == COUNT
        assert session.scalars(select(Delivery.event)).all() == ["library.run.completed"]
        pictures = thumbnails_there(session, tenant, [view["sha256"] for view in views])
    assert len(pictures) == COUNT  # whoever was killed between a picture and its row, both are there
    store = FolderBlobs(Path(stack.env["TAGLINE_DATA_DIR"]) / "thumbnails")
    assert all(read_thumbnail(store, name) for name in pictures)
    assert os.path.isdir(stack.env["TAGLINE_FOLDERS"])
