"""Undecoded photos in a worker's memory: their bytes, counted where they are taken in, stay below the setting."""

from __future__ import annotations

import gzip
import io
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from prometheus_client import CollectorRegistry

pytest.importorskip("tensorflow")

from core.memory_budget import MemoryBudget
from core.outbound.http.answer import Answer
from core.outbound.http.client import HttpClient, Request
from core.settings import Settings, load_settings
from core.states import Priority
from db.engine import Database
from db.jobs import cancel_job, find_job
from db.results import stream_results
from db.stats import backlog
from db.tables import Job
from tests.support.http_server import HttpServer, http_server
from tests.support.jobs import make_job
from tests.support.waiting import until
from worker.chunk import item, pipeline
from worker.chunk.context import WorkerContext
from worker.chunk.pipeline import run_batch
from worker.metrics import Metrics
from worker.process.lifetime import close_worker, open_worker
from worker.sources.files import FileSource

MB = 1024 * 1024
LIMIT_S = 120.0
SMALL = {"fetch_memory_bytes": 12 * MB, "fetch_max_bytes": 4 * MB, "max_upload_bytes": 4 * MB}


class Counted:
    """Bytes of photos between their arrival and the end of their decoding, which waits for `open`."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0
        self.open = threading.Event()
        self.open.set()
        self.waiting = 0

    def add(self, size: int) -> None:
        with self.lock:
            self.now += size
            self.most = max(self.most, self.now)


@pytest.fixture(scope="module")
def photo() -> bytes:
    """Three million bytes and a little."""
    buffer = io.BytesIO()
    noise = random.Random(1).randbytes(1000 * 1000 * 3)
    Image.frombytes("RGB", (1000, 1000), noise).save(buffer, "PNG", compress_level=0)
    return buffer.getvalue()


@pytest.fixture
def server(photo: bytes) -> Iterator[HttpServer]:
    with http_server() as running:
        running.files["photo"] = (photo, {})
        running.files["packed"] = (gzip.compress(photo, 1), {"Content-Encoding": "gzip"})
        running.files["broken"] = (photo[: len(photo) // 2], {})
        running.files["large"] = (photo * 2, {})
        yield running


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """Looks on where bodies are taken in and photos are decoded, and holds up the latter on demand."""
    count, write, decode = Counted(), Answer.write, item.decode_image

    def writing(answer: Answer, data: bytes) -> bool:
        count.add(len(data))
        return write(answer, data)

    def decoding(data: bytes, *arguments: Any, **options: Any) -> Any:
        with count.lock:
            count.waiting += 1
        assert count.open.wait(LIMIT_S)
        with count.lock:
            count.waiting -= 1
        try:
            return decode(data, *arguments, **options)
        finally:
            count.add(-len(data))

    monkeypatch.setattr(Answer, "write", writing)
    monkeypatch.setattr(item, "decode_image", decoding)
    return count


@pytest.fixture
def open_worker_(
    database_url: str, redis_url: str, server: HttpServer, models: Path, tmp_path: Path
) -> Callable[..., Any]:
    @contextmanager
    def opened(**more: Any) -> Iterator[WorkerContext]:
        context = open_worker(
            Settings(
                database_url=database_url, redis_url=redis_url, data_dir=tmp_path / "data", models_dir=models,
                allow_hosts=(server.place,), runtime="openvino", thumbnails="off", **{**SMALL, **more},
            ),
            Metrics(CollectorRegistry()),
        )  # fmt: skip
        try:
            yield context
        finally:
            close_worker(context)

    return opened


def work(context: WorkerContext, database: Database, job: str, threads: int = 4) -> None:
    """Run a job, several chunks at a time, as Celery's messages do; a ring may come while there is no room."""

    def finished() -> bool:
        with database.read() as session:
            return session.get_one(Job, job).finished_at is not None

    def serve() -> None:
        until(lambda: not run_batch(context, "image") and finished(), what="the end of the job")

    running = [threading.Thread(target=serve) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(LIMIT_S)
    until(lambda: not context.runs, what="the end of the chunks")


def states(database: Database, job: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in stream_results(database, job):
        key = row["error"]["code"] if row["error"] else "succeeded"
        found[key] = found.get(key, 0) + 1
    return found


def test_photos_in_memory_stay_below_the_setting(
    open_worker_: Callable[..., Any], database: Database, tenant: str, server: HttpServer, counted: Counted
) -> None:
    """Sixty megabytes come at once where nothing bounds them."""
    refs = [server.url(f"/file/photo?{n}") for n in range(20)]
    job = make_job(database, tenant, refs=refs, chunk=10, priority=Priority.BULK)
    with open_worker_() as context:
        counted.open.clear()
        threading.Timer(0, lambda: until(lambda: context.memory.waiting >= 3) and counted.open.set()).start()
        work(context, database, job)
        assert context.memory.held == 0
        assert context.memory.most_held <= 12 * MB
    assert states(database, job) == {"succeeded": 20}
    assert 3 * MB < counted.most <= 12 * MB


def test_room_is_given_back_whatever_becomes_of_a_photo(
    open_worker_: Callable[..., Any], database: Database, tenant: str, server: HttpServer, counted: Counted
) -> None:
    """Each kind of end keeps some megabytes if it forgets them, so the last of them would never get in."""
    paths = {
        "/file/photo": "succeeded",
        "/redirect?to=/bytes/3000000&size=60000": "image_unsupported",
        "/file/broken": "image_truncated",
        "/file/large": "fetch_too_large",
        "/file/packed": "succeeded",
        "/status/404": "fetch_http_404",
        "/short": "fetch_truncated",
        "/reset": "fetch_failed",
    }
    refs = [server.url(f"{path}{'&' if '?' in path else '?'}{n}") for n in range(4) for path in paths]
    job = make_job(database, tenant, refs=refs, chunk=8, priority=Priority.BULK)
    with open_worker_() as context:
        work(context, database, job)
        assert (context.memory.held, context.memory.waiting, context.memory.crowded) == (0, 0, False)
        assert context.memory.most_held <= 12 * MB
    found = states(database, job)
    assert found.pop("succeeded") == 8
    assert sum(found.values()) == 24
    assert found["fetch_too_large"] == found["fetch_http_404"] == 4


def test_a_photo_larger_than_the_setting_gets_through_alone(
    open_worker_: Callable[..., Any], database: Database, tenant: str, server: HttpServer, counted: Counted,
    photo: bytes,
) -> None:  # fmt: skip
    refs = [server.url(f"/file/photo?{n}") for n in range(5)]
    job = make_job(database, tenant, refs=refs, chunk=5)
    with open_worker_(fetch_memory_bytes=MB) as context:
        work(context, database, job)
        assert context.memory.held == 0
    assert states(database, job) == {"succeeded": 5}
    assert counted.most == len(photo)


def test_what_waits_for_room_holds_no_thread_and_nobody_claims_more(
    open_worker_: Callable[..., Any], database: Database, tenant: str, server: HttpServer, counted: Counted,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """One chunk's photos wait to be decoded and take all room. Another is driven by no thread of its own, and a third
    stays in the queue, where another worker finds it."""
    monkeypatch.setattr(pipeline, "NETWORK_GRACE_S", 0.0)
    monkeypatch.setattr(pipeline, "CROWDED_S", 0.01)
    jobs = [
        make_job(
            database, tenant, refs=[server.url(f"/file/photo?{name}{n}") for n in range(3)], priority=Priority.BULK
        )
        for name in "abc"
    ]
    with open_worker_(decode_threads=1) as context:
        counted.open.clear()
        thread = threading.Thread(target=run_batch, args=(context, "image"))
        thread.start()
        until(lambda: counted.waiting == 1 and context.memory.held > 8 * MB, what="the first chunk's photos")
        until(lambda: context.memory.crowded, what="photos that have come whole")
        (decoded,) = context.runs
        assert not run_batch(context, "image"), "a bulk chunk is claimed though there is no room"
        monkeypatch.setattr(MemoryBudget, "crowded", False)
        assert run_batch(context, "image")  # returns: the chunk is driven by nobody's thread
        assert len(set(context.waiting.runs()) - {decoded}) == 1
        monkeypatch.undo()
        with database.read() as session:
            assert sum(waiting.chunks for waiting in backlog(session) if waiting.state == "pending") == 1
        counted.open.set()
        thread.join(LIMIT_S)
        for job in jobs:
            work(context, database, job)
        assert context.memory.held == 0
    assert [states(database, job) for job in jobs] == [{"succeeded": 3}] * 3


def test_a_cancelled_jobs_photos_give_their_room_back(
    open_worker_: Callable[..., Any], database: Database, tenant: str, server: HttpServer, counted: Counted
) -> None:
    refs = [server.url(f"/file/photo?{n}") for n in range(12)]
    job = make_job(database, tenant, refs=refs, chunk=12, priority=Priority.BULK)
    with open_worker_(decode_threads=1) as context:
        counted.open.clear()
        thread = threading.Thread(target=run_batch, args=(context, "image"))
        thread.start()
        until(lambda: counted.waiting and context.memory.waiting, what="photos that wait for room")
        with database.write() as session:
            cancel_job(session, tenant, job)
        context.leases.beat()
        until(lambda: not context.runs, what="the worker to notice")
        counted.open.set()
        thread.join(LIMIT_S)
        until(lambda: context.memory.held == 0, what="the room of the photos")
        assert context.memory.waiting == 0
        other = make_job(database, tenant, refs=refs)
        work(context, database, other)
    with database.read() as session:
        assert find_job(session, tenant, other).succeeded == 12


def test_sources_that_read_on_threads_wait_before_they_begin(
    open_worker_: Callable[..., Any], database: Database, tenant: str, counted: Counted, photo: bytes, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    load, reading = FileSource.load, []

    def loading(source: FileSource, ref: str, tenant_id: str) -> bytes:
        reading.append(ref)
        data = load(source, ref, tenant_id)
        counted.add(len(data))
        return data

    monkeypatch.setattr(FileSource, "load", loading)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(photo)
    with open_worker_(folders=(str(tmp_path / "photos"),), decode_threads=1) as context:
        counted.open.clear()
        places = [context.memory.reserve(Priority.BULK) for _ in range(9)]
        ref = str(tmp_path / "photos" / "a.png")
        answers = [context.sources.fetch("file", ref, tenant, Priority.BULK, place) for place in places]
        until(lambda: sum(answer.done() for answer in answers) == len(reading) == 3 and context.memory.waiting == 6)
        for answer, place in zip(answers, places, strict=True):
            counted.add(-len(answer.result(LIMIT_S)))
            place.release()
        missing = context.memory.reserve(Priority.BULK)
        lost = context.sources.fetch("file", ref + "x", tenant, Priority.BULK, missing)
        assert lost.exception(LIMIT_S) is not None
        assert context.memory.held == 0
        counted.open.set()
    assert counted.most <= 12 * MB


def test_time_does_not_run_while_a_transfer_waits_for_room(server: HttpServer) -> None:
    """And runs on afterwards: what is silent behind its first bytes fails all the same."""
    client, budget = HttpClient(load_settings(allow_hosts=(server.place,))), MemoryBudget(MB, MB)
    keeper, place = (budget.reserve(Priority.BULK) for _ in range(2))
    try:
        assert keeper.grow(MB, lambda: None)
        request = Request(server.url("/bytes/1000000"), timeout_s=1.9, max_bytes=MB, memory=place)
        answer = client.request(request)
        until(lambda: budget.waiting == 1, what="the transfer to wait")
        short = Request(server.url("/silent"), timeout_s=2)
        assert client.request(short).exception(LIMIT_S) is not None  # more than its time has passed
        assert not answer.done()
        keeper.release()
        assert len(answer.result(LIMIT_S).body) == 1_000_000
        place.release()
        again, late = (budget.reserve(Priority.BULK) for _ in range(2))
        assert again.grow(MB, lambda: None)
        stalls = client.request(Request(server.url("/stall"), timeout_s=2, memory=late))
        until(lambda: budget.waiting == 1, what="the transfer to wait")
        again.release()
        assert getattr(stalls.exception(LIMIT_S), "code", "") == "fetch_timeout"
        late.release()
        assert budget.held == 0
    finally:
        client.close()
