"""Who holds what while chunks are under way: nobody waits for somebody else's network, or for somebody else's model."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

pytest.importorskip("tensorflow")

from core.images.decode import ImageSpec, decode_image
from core.settings import Settings, load_settings
from core.states import Priority
from core.tasks import CaptionOptions
from db.engine import Database
from db.jobs import find_job
from db.reap import reap_leases
from db.results import stream_results
from db.stats import backlog
from tests.support.artefacts import SIDE, set_defaults, write_captioner, write_encoder
from tests.support.http_server import http_server
from tests.support.jobs import make_job
from tests.support.photos import SAMPLES, photo_server
from tests.support.silent import silent_hosts
from tests.support.waiting import until
from tests.support.worker import run_chunk
from worker.chunk import pipeline
from worker.chunk.claimers import Claimers
from worker.chunk.context import WorkerContext
from worker.chunk.pipeline import run_batch
from worker.chunk.work_meter import WorkMeter
from worker.metrics import Metrics
from worker.models.captioner import Captioner
from worker.models.load import KINDS, load_model
from worker.models.model import InferenceRequest, encoder_in
from worker.process.lifetime import close_worker, open_worker
from worker.process.watchdog import EXIT_HUNG, Watchdog

HOSTS = 40


@pytest.fixture(scope="module")
def photos() -> Iterator[str]:
    with photo_server() as url:
        yield url


@pytest.fixture(scope="module")
def silent() -> Iterator[list[str]]:
    with silent_hosts(HOSTS) as places:
        yield places


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    write_encoder(folder)
    write_captioner(folder)
    write_captioner(folder, name="hanger", kind="hangs")  # loaded by the one test that asks for it
    set_defaults(folder, classify="eye", caption="teller")
    return folder


@pytest.fixture
def settings(
    database_url: str, redis_url: str, photos: str, silent: list[str], models: Path, tmp_path: Path
) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        data_dir=tmp_path / "data",
        models_dir=models,
        allow_hosts=(photos.split("/")[2], *silent),
        runtime="openvino",
        fetch_timeout_s=300,
    )


@contextmanager
def worker(settings: Settings) -> Iterator[WorkerContext]:
    context = open_worker(settings, Metrics(CollectorRegistry()))
    try:
        yield context
    finally:
        context.http.close()  # what is silent answers to that
        close_worker(context)


def good(photos: str, count: int) -> list[str]:
    return [f"{photos}/cat.jpg?n={n}" for n in range(count)]


def finished(database: Database, tenant: str, job: str) -> bool:
    with database.read() as session:
        return find_job(session, tenant, job).finished_at is not None


def counts(database: Database, tenant: str, job: str) -> tuple[int, int]:
    with database.read() as session:
        found = find_job(session, tenant, job)
        return found.succeeded, found.failed


def put_off(database: Database, tenant: str, job: str) -> bool:
    """Whether hosts of a job asked to be left alone."""
    with database.read() as session:
        return find_job(session, tenant, job).waits_until is not None


def test_a_chunk_that_makes_room_is_not_put_off_by_its_hosts(
    settings: Settings, database: Database, tenant: str, silent: list[str]
) -> None:
    """Fails if a job is said to wait for hosts because its worker had too many chunks in hand."""
    job = make_job(database, tenant, refs=[f"http://{silent[0]}/1.jpg"])
    with worker(settings) as context:
        assert run_batch(context, "image")
        [run] = context.waiting.runs()
        run.give_back(90.0)
    assert not put_off(database, tenant, job)


def test_photos_of_slow_hosts_are_measured_without_the_wait(
    settings: Settings, database: Database, tenant: str
) -> None:
    """Fails if nobody is ever told how long such jobs take, because each of their chunks waits for over 10 s;
    or if it is not busy with them after that. A look at this clock takes a tenth of a second."""
    released, now = threading.Event(), count()
    late = 0.0
    with photo_server(released=released) as url:
        place = {"allow_hosts": (url.split("/")[2],)}
        make_job(database, tenant, refs=[f"{url}/held/cat.jpg?n={n}" for n in range(4)])
        with worker(settings.model_copy(update=place)) as context:
            context.leases.meter = meter = WorkMeter(lambda: next(now) / 10 + late)
            assert run_batch(context, "image")
            assert [run.claim.attempts for run in context.waiting.runs()] == [1]
            late = 11.0
            released.set()
            until(meter.counted, what="the end of the chunk")
    [pace] = meter.counted()
    assert (pace.kind, pace.items) == ("classify interactive", 4)
    assert 200 <= pace.busy_ms < 11_000  # looks: claimed, all waits; something has come, the end


@pytest.mark.parametrize("priority", [Priority.BULK, Priority.INTERACTIVE])
def test_dead_hosts_hold_up_nobody_else(
    settings: Settings, database: Database, tenant: str, photos: str, silent: list[str], priority: Priority
) -> None:
    """Were a slot held by what waits for a silent host, the job on healthy photos would wait for its time-out."""
    refs = [f"http://{place}/{n}.jpg" for n in range(3) for place in silent]
    dead = [make_job(database, tenant, refs=refs[at :: len(silent)], priority=priority) for at in range(len(silent))]
    healthy = make_job(database, tenant, refs=good(photos, 3), priority=Priority.INTERACTIVE)
    with worker(settings) as context:
        claimers = Claimers(context, settings)
        messages = threading.Thread(target=lambda: [run_batch(context, "image") for _ in range(HOSTS)])
        messages.start()
        until(lambda: finished(database, tenant, healthy), what="the healthy job")
        assert not any(finished(database, tenant, job) for job in dead)
        claimers.close()
        context.stopping.set()
        messages.join(180)
    assert [row["state"] for row in stream_results(database, healthy)] == ["succeeded"] * 3


def test_one_host_alone_may_have_all_of_a_worker(
    settings: Settings, database: Database, tenant: str, silent: list[str]
) -> None:
    job = make_job(database, tenant, refs=[f"http://{silent[0]}/{n}" for n in range(12)], chunk=2)
    with worker(settings) as context:
        for _ in range(6):
            assert run_batch(context, "image")
        assert len(context.runs) == 6
        assert counts(database, tenant, job) == (0, 0)


def test_when_too_many_wait_the_bulk_chunk_that_has_waited_longest_makes_room(
    settings: Settings, database: Database, tenant: str, silent: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "NETWORK_GRACE_S", 0.0)
    small = settings.model_copy(update={"waiting_chunks": 2})
    refs = [f"http://{silent[0]}/{n}" for n in range(8)]
    bulk = make_job(database, tenant, refs=refs, chunk=1, priority=Priority.BULK)
    with worker(small) as context:
        assert [run_batch(context, "image") for _ in range(4)] == [True, True, False, False]
        quick = make_job(database, tenant, refs=refs, chunk=1, priority=Priority.INTERACTIVE)
        assert all(run_batch(context, "image") for _ in range(3))  # one more than there is room for
        held = Counter(run.claim.job_id for run in context.runs)
        assert held == {bulk: 1, quick: 3}
        with database.read() as session:
            assert sum(waiting.chunks for waiting in backlog(session)) == 16, "nothing is lost"


def test_what_has_finished_is_stored_while_the_rest_waits(
    settings: Settings, database: Database, tenant: str, photos: str, silent: list[str]
) -> None:
    """And exactly once, whoever runs the rest."""
    refs = [*good(photos, 20), f"http://{silent[0]}/never.jpg"]
    job = make_job(database, tenant, refs=refs, chunk=64)
    with worker(settings) as context:
        assert run_batch(context, "image")
        until(lambda: counts(database, tenant, job) == (20, 0), what="the photos beside the dead host")
        assert len(context.runs) == 1
        with database.write() as session:  # as if the worker had died now
            assert len(reap_leases(session, max_attempts=3, worker=context.leases.worker)) == 1
        (lost,) = context.runs
        context.leases.beat()
        until(lambda: lost.closed, what="the worker to notice")
    with worker(settings.model_copy(update={"fetch_timeout_s": 0.2})) as context:
        assert run_chunk(context, "image")
    rows = list(stream_results(database, job))
    assert [row["seq"] for row in rows] == list(range(21))
    assert Counter(row["state"] for row in rows) == {"succeeded": 20, "failed": 1}
    assert rows[20]["error"]["permanent"] is False


class Limited(BaseHTTPRequestHandler):
    """Answers so many requests a second, and asks everybody else for a second's patience."""

    protocol_version = "HTTP/1.1"
    most, taken = 20, Counter[int]()
    photo = (SAMPLES / "cat.jpg").read_bytes()

    def do_GET(self) -> None:
        second = int(time.monotonic())
        self.taken[second] += 1
        within = self.taken[second] <= self.most
        body = self.photo if within else b"slowly"
        self.send_response(200 if within else 429)
        if not within:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_all_photos_of_a_host_that_limits_rates_come_in_time(
    settings: Settings, database: Database, tenant: str
) -> None:
    """Were each to use up its own tries, most would fail before their turn had come."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Limited) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        place = f"127.0.0.1:{server.server_port}"
        job = make_job(database, tenant, refs=[f"http://{place}/{n}.jpg" for n in range(90)], chunk=30)
        with worker(settings.model_copy(update={"allow_hosts": (place,)})) as context:

            def work() -> bool:
                run_batch(context, "image")
                return finished(database, tenant, job)

            until(work, timeout_s=300, what="the end of the job")
        server.shutdown()
    assert counts(database, tenant, job) == (90, 0)


def test_chunks_of_a_host_that_asks_for_time_or_has_a_rate_leave_their_slots(
    settings: Settings, database: Database, tenant: str, photos: str
) -> None:
    """Were a slot, a thread or a lease held by what waits, the one thread here would not get to the healthy job, and
    the one place for waiting chunks would be taken."""
    with http_server() as busy, http_server() as slow:
        slow.files["photo"] = ((SAMPLES / "cat.jpg").read_bytes(), {})
        asked = [busy.url(f"/status/503?after=600&n={n}") for n in range(6)]
        limited = [slow.url(f"/file/photo?{n}") for n in range(80)]
        patient = make_job(database, tenant, refs=asked, chunk=3, priority=Priority.BULK)
        rated = make_job(database, tenant, refs=limited, chunk=80, priority=Priority.BULK)
        places = {"allow_hosts": (*settings.allow_hosts, busy.place, slow.place)}
        limits = {"fetch_per_host_rate": 0.05, "fetch_per_host": 1, "waiting_chunks": 1, "chunk_window": 80}
        with worker(settings.model_copy(update=places | limits)) as context:
            until(
                lambda: not run_batch(context, "image") and counts(database, tenant, rated) == (1, 0),
                what="the one that is served at once",
            )
            until(lambda: len(context.runs) <= 1, what="chunks that only wait to be put back")
            healthy = make_job(database, tenant, refs=good(photos, 1), priority=Priority.INTERACTIVE)
            assert run_batch(context, "image")
            until(lambda: finished(database, tenant, healthy), what="the healthy job")
            assert not finished(database, tenant, patient)
            assert not finished(database, tenant, rated)
            assert put_off(database, tenant, patient)
            assert len(busy.requests) <= 2
            assert len(slow.requests) == 1


def test_nobody_claims_while_a_suspect_chunk_runs_alone(
    settings: Settings, database: Database, tenant: str, photos: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A chunk claimed too early would idle under a lease that is renewed for ever."""
    monkeypatch.setattr(pipeline, "GATE_S", 0.01)
    make_job(database, tenant, refs=good(photos, 2))
    with worker(settings) as context:
        leave = context.gate.alone()
        assert not run_batch(context, "image")
        with database.read() as session:
            assert [waiting.state for waiting in backlog(session)] == ["pending"]
        leave()
        assert run_chunk(context, "image")


class Hangs(Captioner):
    """A captioner that never comes to an end with some photos."""

    hated: ClassVar[list[NDArray[np.float32]]] = []
    released = threading.Event()

    def predict(self, requests: Sequence[InferenceRequest[CaptionOptions]]) -> list[Any]:
        if any(np.allclose(request.input, grid, atol=1e-4) for request in requests for grid in self.hated):
            assert self.released.wait(120)
        return super().predict(requests)


def test_a_model_that_hangs_ends_its_worker_and_blames_only_what_hung_alone(
    settings: Settings, database: Database, tenant: str, photos: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "hangs", f"{__name__}.Hangs")
    eye = load_model(models / "eye@1.0.0", load_settings(runtime="openvino"))
    encoder = encoder_in(eye)
    assert encoder is not None
    pixels = decode_image((SAMPLES / "rocket.jpg").read_bytes(), ImageSpec(size=(SIDE, SIDE)), 10**8).pixels
    monkeypatch.setattr(Hangs, "hated", [encoder.encode([pixels], ("grid",))[0]["grid"]])
    names = ["cat", "coffee", "rocket", "flower", "cat"]
    refs = [f"{photos}/{name}.jpg?n={n}" for n, name in enumerate(names)]
    job = make_job(database, tenant, refs=refs, tasks=("caption",), models={"caption": "hanger@1.0.0"})
    impatient = settings.model_copy(update={"stall_timeout_s": 0.5})
    ends: list[int] = []
    for _ in range(8):  # each time as a worker that was started again
        if finished(database, tenant, job):
            break
        with worker(impatient) as context:
            ended = threading.Event()
            watchdog = Watchdog(context, end=_noting(ends, ended))
            while not ended.is_set() and run_batch(context, "image"):
                until(lambda: not context.runs or ended.is_set(), what="the end of the chunk or of the worker")  # noqa: B023
            watchdog.close()
            Hangs.released.set()
        Hangs.released.clear()
    assert set(ends) == {EXIT_HUNG}
    rows = list(stream_results(database, job))
    assert [row["error"] and row["error"]["code"] for row in rows] == [None, None, "inference_hung", None, None]


def _noting(ends: list[int], ended: threading.Event) -> Callable[[int], None]:
    def end(code: int) -> None:
        ends.append(code)
        ended.set()

    return end
