"""Texts go through a worker many at a time; what goes wrong, or is given up, stays what it was when they went alone."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from prometheus_client import CollectorRegistry

from core.inputs import InputItem, cut_chunks
from core.settings import Settings
from core.states import Priority
from core.tasks import TaskOptions
from core.texts.prepared import PreparedTexts
from db.engine import Database
from db.jobs import cancel_job, create_job, find_job
from db.results import stream_results
from jobs.plan import JobPlan
from tests.support.artefacts import set_defaults
from tests.support.waiting import until
from tests.support.worker import run_chunk
from worker.chunk.context import WorkerContext
from worker.inference import batching, lanes
from worker.metrics import Metrics
from worker.models.load import KINDS
from worker.models.model import InferenceRequest
from worker.models.text_classifier import ManyProbabilities, TextClassifier, TextProbabilities
from worker.process.lifetime import close_worker, open_worker

SHIPPED = Path(__file__).resolve().parents[2] / "models" / "spam-ngram"
HAM, SPAM = "See you at the station at six, then.", "WINNER!! Claim your free prize now, call 09061701461"
LONG = "so long " * 2_000  # longer than the model takes


class Odd(TextClassifier):
    """A model that breaks on some texts: one while preparing, one while predicting, one while rendering."""

    warm: ClassVar[bool] = False

    def prepare_texts(self, texts: Sequence[str]) -> tuple[PreparedTexts, Mapping[int, Any]]:
        if any("bomb" in text for text in texts):
            raise RuntimeError("prepare")
        return super().prepare_texts(texts)

    def predict_texts(self, batch: PreparedTexts) -> ManyProbabilities:
        if batch.truncated.any():
            raise RuntimeError("predict")
        return super().predict_texts(batch)

    def render_texts(self, raw: ManyProbabilities, options: TaskOptions) -> list[dict[str, Any]]:
        if Odd.warm and (raw.probabilities[:, 1] > 0.5).any():
            raise RuntimeError("render")
        return super().render_texts(raw, options)


class Alone(TextClassifier):
    """A model of the kind that other packages have: it takes texts one by one, and knows nothing of many."""

    prepare_texts = join_texts = predict_texts = render_texts = None  # type: ignore[assignment]
    batches: ClassVar[list[int]] = []

    def predict(self, requests: Sequence[InferenceRequest[TaskOptions]]) -> list[TextProbabilities]:
        Alone.batches.append(len(requests))
        rows = TextClassifier.predict_texts(self, PreparedTexts.of([request.input for request in requests]))
        return [TextProbabilities(row, False) for row in rows.probabilities]

    def render(self, raw: TextProbabilities, options: TaskOptions) -> dict[str, Any]:
        return {"label": self._labels[int(raw.probabilities.argmax())], "score": float(raw.probabilities.max())}


class Held(TextClassifier):
    """A model that counts the texts it sees, and waits for leave before every batch."""

    seen: ClassVar[list[int]] = []
    leave: ClassVar[threading.Semaphore] = threading.Semaphore(0)

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.streams = 1

    def predict_texts(self, batch: PreparedTexts) -> ManyProbabilities:
        Held.seen.append(len(batch))
        assert Held.leave.acquire(timeout=180)
        return super().predict_texts(batch)


@pytest.fixture
def worker(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[WorkerContext]:
    """A worker with the shipped model for `spam`, loaded as the class that a test names."""
    monkeypatch.setitem(KINDS, "test", f"{__name__}.{request.param.__name__}")
    models = tmp_path / "models"
    shutil.copytree(SHIPPED, models / "spam-ngram")
    manifest = models / "spam-ngram" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "kind": "test"}))
    set_defaults(models, spam="spam-ngram")
    Odd.warm, Held.leave = False, threading.Semaphore(10)  # for the warm-up
    settings = Settings(
        database_url=database_url, data_dir=tmp_path / "data", models_dir=models, worker_name="me", runtime="openvino"
    )
    context = open_worker(settings, Metrics(CollectorRegistry()))
    Odd.warm, Held.leave, Held.seen, Alone.batches = True, threading.Semaphore(0), [], []
    yield context
    Held.leave.release(100)
    close_worker(context)


def make_job(database: Database, tenant: str, texts: Sequence[str]) -> str:
    items = [InputItem(seq, str(seq), "text", text) for seq, text in enumerate(texts)]
    plan = JobPlan(tenant_id=tenant, tasks=("spam",), priority=Priority.BULK)
    with database.write() as session:
        return create_job(session, plan.row(len(items)), cut_chunks(items, 4096), ttl_hours=24).id


def outcomes(database: Database, job: str) -> list[str]:
    return [
        row["error"]["code"] if row["error"] else row["outputs"]["spam"]["label"]
        for row in stream_results(database, job)
    ]


ON_SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize("worker", [Odd], indirect=True)
def test_whatever_breaks_breaks_one_text(worker: WorkerContext, database: Database, tenant: str) -> None:
    texts = [HAM] * 30
    texts[3], texts[11], texts[12], texts[29] = "a bomb", LONG, SPAM, ""
    job = make_job(database, tenant, texts)
    assert run_chunk(worker, "text")
    wanted = {3: "internal_error", 11: "inference_failed", 12: "internal_error", 29: "text_empty"}
    assert outcomes(database, job) == [wanted.get(seq, "ham") for seq in range(30)]
    rows = list(stream_results(database, job))
    assert [row["input"] for row in rows] == [{"text": text} for text in texts]
    assert len({json.dumps(row["outputs"]) for row in rows if row["outputs"]}) == 1, "equal texts have equal results"
    with database.read() as session:
        found = find_job(session, tenant, job)
        assert (found.succeeded, found.failed, found.state) == (26, 4, "completed")


@ON_SQLITE
@pytest.mark.parametrize("worker", [Alone], indirect=True)
def test_a_model_that_takes_texts_one_by_one_is_asked_so(
    worker: WorkerContext, database: Database, tenant: str
) -> None:
    job = make_job(database, tenant, [HAM, "", SPAM] * 12)
    assert run_chunk(worker, "text")
    assert outcomes(database, job) == ["ham", "text_empty", "spam"] * 12
    assert sum(Alone.batches) == 24
    assert max(Alone.batches) <= worker.settings.batch_size


@ON_SQLITE
@pytest.mark.parametrize("worker", [Held], indirect=True)
def test_texts_of_a_job_that_is_cancelled_leave_the_lane(
    worker: WorkerContext, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(database, tenant, [HAM] * 3 * lanes.TEXTS_AT_A_TIME)
    chunk = threading.Thread(target=run_chunk, args=(worker, "text"))
    chunk.start()
    until(lambda: bool(Held.seen), what="the first batch in the model")
    with database.write() as session:
        cancel_job(session, tenant, job)
    worker.leases.beat()
    chunk.join(180)
    assert not chunk.is_alive()
    Held.leave.release(100)
    later = make_job(database, tenant, [HAM])
    assert run_chunk(worker, "text")
    assert sum(Held.seen) == Held.seen[0] + 1, "the batch that was under way, and the later job's text"
    assert outcomes(database, later) == ["ham"]


@ON_SQLITE
@pytest.mark.parametrize("worker", [Held], indirect=True)
def test_texts_that_are_done_are_stored_while_others_wait(
    worker: WorkerContext, database: Database, tenant: str
) -> None:
    size = lanes.TEXTS_AT_A_TIME
    job = make_job(database, tenant, [HAM] * (size + 3))
    chunk = threading.Thread(target=run_chunk, args=(worker, "text"))
    chunk.start()
    Held.leave.release(1)

    def stored() -> int:
        with database.read() as session:
            return find_job(session, tenant, job).succeeded

    until(lambda: stored() > 0, what="the first batch in the database")
    assert stored() == Held.seen[0] < size + 3
    Held.leave.release(100)
    chunk.join(180)
    assert outcomes(database, job) == ["ham"] * (size + 3)


@ON_SQLITE
@pytest.mark.parametrize("worker", [Odd], indirect=True)
def test_texts_that_came_together_wait_for_no_others(
    worker: WorkerContext, database: Database, tenant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batching, "LINGER_S", threading.TIMEOUT_MAX)
    job = make_job(database, tenant, [HAM, HAM])
    chunk = threading.Thread(target=run_chunk, args=(worker, "text"), daemon=True)
    chunk.start()
    chunk.join(60)
    assert outcomes(database, job) == ["ham", "ham"]
