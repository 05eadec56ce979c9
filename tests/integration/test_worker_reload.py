"""A real worker is told by SIGHUP that there are new models, in the middle of its work."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

pytest.importorskip("tensorflow")

from core.broker import Doorbell
from core.settings import Settings
from core.states import JobState
from db import workers
from db.engine import Database
from db.jobs import find_job
from db.results import stream_results
from tests.support.artefacts import set_defaults, write_encoder
from tests.support.jobs import make_job
from tests.support.photos import photo_server
from tests.support.stack import Stack, running
from tests.support.waiting import until


@pytest.fixture
def photos() -> Iterator[str]:
    with photo_server() as url:
        yield url


@pytest.fixture
def models(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    write_encoder(folder)
    set_defaults(folder, classify="eye")
    return folder


@pytest.fixture
def stack(
    database_url: str, redis_url: str, photos: str, models: Path, database: Database, tmp_path: Path
) -> Iterator[Stack]:
    env = {
        "TAGLINE_DATABASE_URL": database_url,
        "TAGLINE_REDIS_URL": redis_url,
        "TAGLINE_DATA_DIR": str(tmp_path / "data"),
        "TAGLINE_MODELS_DIR": str(models),
        "TAGLINE_ALLOW_HOSTS": photos.split("/")[2],
    }
    with Redis.from_url(redis_url) as redis:
        redis.flushall()
    with running(env, tmp_path, database) as opened:
        yield opened


def _photos(base: str, count: int) -> list[str]:
    return [f"{base}/cat.jpg?n={n}" for n in range(count)]


def _succeeded(database: Database, tenant: str, job: str) -> int:
    with database.read() as session:
        return find_job(session, tenant, job).succeeded


def _models_used(database: Database, tenant: str, job: str) -> set[str]:
    """The models that judged a job's photos, once it is done."""

    def finished() -> bool:
        with database.read() as session:
            return JobState(find_job(session, tenant, job).state).finished

    until(finished, timeout_s=300, what="the end of the job")
    rows = list(stream_results(database, job))
    assert {row["state"] for row in rows} == {"succeeded"}
    return {row["outputs"]["classify"]["model"] for row in rows}


def _warm(database: Database) -> tuple[str, ...]:
    with database.read() as session:
        return workers.warm_models(session)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_new_models_are_served_after_sighup_and_no_batch_is_lost(
    stack: Stack, database: Database, redis_url: str, tenant: str, photos: str, models: Path
) -> None:
    worker = stack.worker("me")
    first = make_job(database, tenant, refs=_photos(photos, 400), chunk=8, models={"classify": "eye@1.0.0"})
    bell = Doorbell(Settings(redis_url=redis_url))
    bell.ring("image", 50)
    until(lambda: _succeeded(database, tenant, first) >= 8, what="some results")
    write_encoder(models, "2.0.0", seed=4)
    (write_encoder(models, "3.0.0") / "graph.pb").write_bytes(b"damaged")
    for _ in range(3):  # a second one must not hurt
        worker.popen.send_signal(signal.SIGHUP)
    until(lambda: "eye@2.0.0" in _warm(database), what="the new model")
    assert _warm(database) == ("eye@2.0.0", "eye@1.0.0"), "the one that serves comes first"
    second = make_job(database, tenant, refs=_photos(photos, 16), chunk=8)
    bell.ring("image", 2)
    bell.close()
    assert _models_used(database, tenant, first) == {"eye@1.0.0"}
    assert _models_used(database, tenant, second) == {"eye@2.0.0"}
    assert worker.popen.poll() is None
    assert "file_hash" in worker.log()
    assert worker.log().count("ready.") == 1, "it was not started again"
    assert worker.stop() == 0
