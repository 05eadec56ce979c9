"""Cancelling a job, or losing its chunk, takes its photos out of the lanes: the model never sees what still waited."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from prometheus_client import CollectorRegistry

pytest.importorskip("tensorflow")

from core.heads.captions import Caption
from core.settings import Settings
from core.states import JobState
from core.tasks import CaptionOptions
from db.engine import Database
from db.jobs import cancel_job, find_job
from db.reap import reap_leases
from db.results import stream_results
from tests.support.artefacts import set_defaults, write_captioner, write_encoder
from tests.support.jobs import make_job
from tests.support.photos import photo_server
from tests.support.waiting import until
from tests.support.worker import run_chunk
from worker.chunk.context import WorkerContext
from worker.metrics import Metrics
from worker.models.captioner import Captioner
from worker.models.load import KINDS
from worker.models.model import InferenceRequest
from worker.process.lifetime import close_worker, open_worker

PHOTOS = 6


class Held(Captioner):
    """A captioner that counts the photos it sees, and waits until it is let go on."""

    seen: ClassVar[int] = 0
    entered: ClassVar[threading.Event] = threading.Event()
    go_on: ClassVar[threading.Event] = threading.Event()

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.streams = 1

    def predict(self, requests: Sequence[InferenceRequest[CaptionOptions]]) -> list[list[Caption]]:
        Held.seen += len(requests)
        Held.entered.set()
        assert Held.go_on.wait(180)
        return super().predict(requests)


@pytest.fixture
def counters() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def context(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, counters: CollectorRegistry, photos: str
) -> Iterator[WorkerContext]:
    """A worker that captions photos one at a time, and is held at the first."""
    models = tmp_path / "models"
    monkeypatch.setitem(KINDS, "held", f"{__name__}.Held")
    write_encoder(models)
    write_captioner(models, kind="held")
    set_defaults(models, caption="teller")
    settings = Settings(
        database_url=database_url,
        data_dir=tmp_path / "data",
        models_dir=models,
        allow_hosts=(photos.split("/")[2],),
        batch_size=1,
        worker_name="me",
    )
    Held.go_on.set()  # for the warm-up
    opened = open_worker(settings, Metrics(counters))
    Held.seen = 0
    Held.entered.clear()
    Held.go_on.clear()
    yield opened
    Held.go_on.set()
    close_worker(opened)


@pytest.fixture(scope="module")
def photos() -> Iterator[str]:
    with photo_server() as url:
        yield url


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", ["cancelled", "lost"])
def test_the_model_never_sees_photos_of_a_chunk_that_is_given_up(
    context: WorkerContext, counters: CollectorRegistry, database: Database, tenant: str, photos: str, how: str
) -> None:
    refs = [f"{photos}/cat.jpg?n={n}" for n in range(PHOTOS)]
    job = make_job(database, tenant, refs=refs, chunk=PHOTOS, tasks=("caption",))
    chunk = threading.Thread(target=run_chunk, args=(context, "image"))
    chunk.start()
    assert Held.entered.wait(180)
    encoded = "tagline_batch_items_sum", {"model": "eye@1.0.0"}
    until(lambda: counters.get_sample_value(*encoded) == PHOTOS, what="all photos in the captioner's lane")
    with database.write() as session:
        if how == "cancelled":
            cancel_job(session, tenant, job)
        else:  # as if the worker had been silent for too long
            assert len(reap_leases(session, max_attempts=5, worker="me")) == 1
    context.leases.beat()
    chunk.join(180)
    assert not chunk.is_alive()
    Held.go_on.set()
    if how == "cancelled":
        later = make_job(database, tenant, refs=refs[:1], chunk=1, tasks=("caption",))
        assert run_chunk(context, "image")
        assert Held.seen == 2, "the photo that was under way, and the later job's"
        assert [row["state"] for row in stream_results(database, later)] == ["succeeded"]
        return
    assert run_chunk(context, "image")
    assert Held.seen == 1 + PHOTOS, "the photo that was under way, and the chunk's second run"
    with database.read() as session:
        assert JobState(find_job(session, tenant, job).state) == JobState.COMPLETED
