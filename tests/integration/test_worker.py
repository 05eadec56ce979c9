"""Real workers against real servers, killed, robbed of their messages and given them twice.

Whatever happens, each item ends with exactly one result. The jobs are bulk ones: interactive chunks are also claimed by
threads that need no message.
"""

from __future__ import annotations

import shutil
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

pytest.importorskip("tensorflow")

from core.broker import Doorbell
from core.settings import Settings
from core.states import JobState, Priority
from db import workers
from db.engine import Database
from db.jobs import cancel_job, find_job
from db.results import stream_results
from db.stats import backlog
from db.upkeep import write_cancelled
from tests.support.jobs import make_job
from tests.support.photos import photo_server
from tests.support.stack import ROOT, Stack, running
from tests.support.waiting import until


@pytest.fixture(scope="session")
def photos() -> Iterator[str]:
    with photo_server() as url:
        yield url


@pytest.fixture
def settings(database_url: str, redis_url: str, photos: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_dir=tmp_path / "data",
        allow_hosts=(photos.split("/")[2],),
    )


@pytest.fixture
def stack(settings: Settings, database: Database, models: Path, tmp_path: Path) -> Iterator[Stack]:
    env = {
        "TAGLINE_MODELS_DIR": str(models),
        "TAGLINE_DATABASE_URL": settings.database_url,
        "TAGLINE_REDIS_URL": settings.redis_url,
        "TAGLINE_DATA_DIR": str(settings.data_dir),
        "TAGLINE_ALLOW_HOSTS": ",".join(settings.allow_hosts),
        "TAGLINE_LEASE_S": "60",
    }
    with Redis.from_url(settings.redis_url) as redis:
        redis.flushall()
    with running(env, tmp_path, database) as opened:
        yield opened


@pytest.fixture
def doorbell(settings: Settings) -> Iterator[Doorbell]:
    bell = Doorbell(settings)
    yield bell
    bell.close()


def _photos(base: str, count: int) -> list[str]:
    names = ("cat", "coffee", "rocket", "flower")
    return [f"{base}/{names[n % 4]}.jpg?n={n}" for n in range(count)]


def _finished(stack: Stack, tenant: str, job: str) -> JobState | None:
    with stack.database.read() as session:
        state = JobState(find_job(session, tenant, job).state)
        return state if state.finished else None


def _succeeded(stack: Stack, tenant: str, job: str) -> int:
    with stack.database.read() as session:
        return find_job(session, tenant, job).succeeded


def _check_all_done(stack: Stack, tenant: str, job: str, count: int) -> None:
    state = until(lambda: _finished(stack, tenant, job), timeout_s=300, what="the end of the job")
    rows = list(stream_results(stack.database, job))
    assert [row["seq"] for row in rows] == list(range(count))
    assert Counter(row["state"] for row in rows) == {"succeeded": count}
    assert state == JobState.COMPLETED
    assert _succeeded(stack, tenant, job) == count


def test_photos_are_classified_and_bad_ones_fail_alone(
    stack: Stack, doorbell: Doorbell, tenant: str, photos: str
) -> None:
    refs = [
        f"{photos}/cat.jpg", f"{photos}/nothing-here.jpg", "ftp://photos.example/x.jpg", "http://10.0.0.1/x.jpg",
        f"{photos}/broken.jpg", f"{photos}/text.jpg", "not a url at all", f"{photos}/coffee.jpg",
    ]  # fmt: skip
    job = make_job(stack.database, tenant, refs=refs, chunk=64)
    stack.worker(TAGLINE_MODELS_DIR=str(ROOT / "models"))
    doorbell.ring("image", 1)
    until(lambda: _finished(stack, tenant, job), what="the end of the job")
    rows = list(stream_results(stack.database, job))
    assert [row["error"] and row["error"]["code"] for row in rows] == [
        None, "fetch_http_404", "url_scheme_not_allowed", "address_not_allowed",
        "image_truncated", "image_unsupported", "url_invalid", None,
    ]  # fmt: skip
    labels = rows[0]["outputs"]["classify"]["labels"]
    assert len(labels) == 5
    assert "cat" in labels[0]["label"]
    assert rows[0]["media"].keys() == {"sha256", "bytes", "width", "height"}
    assert "espresso" in [label["label"] for label in rows[7]["outputs"]["classify"]["labels"]]


def test_a_worker_killed_in_the_middle_of_a_batch_loses_nothing(stack: Stack, tenant: str, photos: str) -> None:
    released = threading.Event()
    with photo_server(released=released) as slow:
        stack.env["TAGLINE_ALLOW_HOSTS"] += f",{slow.split('/')[2]}"
        refs = _photos(photos, 120) + _photos(f"{slow}/held", 40)  # so that the first is not done before it is killed
        job = make_job(stack.database, tenant, refs=refs, chunk=8, priority=Priority.BULK)
        stack.scheduler()
        first = stack.worker("", TAGLINE_LEASE_S="4")
        until(lambda: _succeeded(stack, tenant, job) >= 16, what="some results")
        first.kill()
        assert _finished(stack, tenant, job) is None
        released.set()
        stack.worker()
        _check_all_done(stack, tenant, job, 160)


def test_a_worker_that_comes_back_under_its_name_takes_its_chunks_back(stack: Stack, tenant: str, photos: str) -> None:
    """Without a scheduler nobody reaps leases, and with a long lease none lapses: only the name frees them."""
    job = make_job(stack.database, tenant, refs=_photos(photos, 120), chunk=8, priority=Priority.BULK)
    scheduler = stack.scheduler()
    first = stack.worker("me", TAGLINE_LEASE_S="3000")
    until(lambda: _succeeded(stack, tenant, job) >= 8, what="some results")
    first.kill()
    with stack.database.write() as session:
        workers.sign_off(session, "me")  # or the stack would take the dead worker's last beat for the new one's
    stack.worker("me", TAGLINE_LEASE_S="3000")
    _check_all_done(stack, tenant, job, 120)
    assert scheduler.popen.poll() is None


def test_losing_every_message_costs_latency_only(
    stack: Stack, doorbell: Doorbell, settings: Settings, tenant: str, photos: str
) -> None:
    job = make_job(stack.database, tenant, refs=_photos(photos, 80), chunk=8, priority=Priority.BULK)
    doorbell.ring("image", 10)
    with Redis.from_url(settings.redis_url) as redis:
        assert redis.llen("tagline:image") == 10
        redis.flushall()
    stack.worker()
    stack.scheduler()
    _check_all_done(stack, tenant, job, 80)


def test_doubled_messages_are_no_ops(stack: Stack, doorbell: Doorbell, tenant: str, photos: str) -> None:
    job = make_job(stack.database, tenant, refs=_photos(photos, 80), chunk=8, priority=Priority.BULK)
    doorbell.ring("image", 50)
    stack.worker()
    stack.worker()
    _check_all_done(stack, tenant, job, 80)
    until(lambda: doorbell.length("image") == 0, what="an empty queue")
    assert len(list(stream_results(stack.database, job))) == 80


def test_an_orderly_stop_gives_unfinished_chunks_back(
    stack: Stack, doorbell: Doorbell, tenant: str, photos: str
) -> None:
    job = make_job(stack.database, tenant, refs=[f"{photos}/slow?n={n}" for n in range(64)], chunk=64)
    worker = stack.worker("", TAGLINE_LEASE_S="3000", TAGLINE_FETCH_TIMEOUT_S="300")
    doorbell.ring("image", 1)
    until(lambda: "running" in _state(stack, tenant, job), what="a running job")
    assert worker.stop() == 0
    with stack.database.read() as session:
        assert [(waiting.state, waiting.items) for waiting in backlog(session)] == [("pending", 64)]
    with stack.database.write() as session:
        assert cancel_job(session, tenant, job).cancelled == 64
        write_cancelled(session)


def test_a_hurried_stop_blames_no_photo(stack: Stack, doorbell: Doorbell, tenant: str, photos: str) -> None:
    job = make_job(stack.database, tenant, refs=[f"{photos}/slow?n={n}" for n in range(8)], chunk=64)
    worker = stack.worker("", TAGLINE_LEASE_S="3000", TAGLINE_FETCH_TIMEOUT_S="300")
    doorbell.ring("image", 1)
    until(lambda: "running" in _state(stack, tenant, job), what="a running job")
    worker.popen.send_signal(signal.SIGTERM)
    worker.popen.send_signal(signal.SIGQUIT)
    worker.popen.wait(timeout=180)
    assert list(stream_results(stack.database, job)) == []
    assert _state(stack, tenant, job) == "running"


def test_a_worker_that_cannot_start_says_so_and_ends(stack: Stack, tmp_path: Path) -> None:
    """Were it to go on, it would take messages and throw them away."""
    models = tmp_path / "models"
    shutil.copytree(ROOT / "models", models)
    (models / "efficientnet-lite2" / "graph.pb").write_bytes(b"damaged")
    worker = stack.start_worker(TAGLINE_MODELS_DIR=str(models))
    assert worker.popen.wait(timeout=180) == 1
    assert "the worker cannot start" in worker.log()


def _state(stack: Stack, tenant: str, job: str) -> str:
    with stack.database.read() as session:
        return find_job(session, tenant, job).state
