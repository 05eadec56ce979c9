"""A job with several image tasks: each photo passes each encoder once, and a model's failure is its item's alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry

pytest.importorskip("tensorflow")

from core.errors import ArtefactError
from core.heads.captions import Caption
from core.images.decode import ImageSpec, decode_image
from core.inputs import ItemResult
from core.settings import Settings, load_settings
from core.tasks import CaptionOptions, TagOptions
from db.engine import Database
from db.results import stream_results
from tests.support.artefacts import SIDE, set_defaults, write_captioner, write_encoder
from tests.support.jobs import make_job
from tests.support.photos import photo_server
from tests.support.tagger import write_tagger, write_text_encoder
from tests.support.worker import run_chunk
from worker.chunk import run
from worker.chunk.context import WorkerContext
from worker.metrics import Metrics
from worker.models.captioner import Captioner
from worker.models.load import KINDS, load_artefact, load_model
from worker.models.model import Encoder, InferenceRequest, encoder_in
from worker.models.tagger import Tagger
from worker.process.lifetime import close_worker, open_worker

NAMES = ("cat", "coffee", "rocket", "flower")
SAMPLES = Path(__file__).resolve().parents[2] / "samples"


@pytest.fixture(scope="module")
def photos() -> Iterator[str]:
    with photo_server() as url:
        yield url


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """An encoder that classifies, a captioner and a tagger on top of it, and the text encoder of the latter."""
    folder = tmp_path / "models"
    write_encoder(folder)
    write_captioner(folder)
    write_text_encoder(folder)
    write_tagger(folder)
    set_defaults(folder, classify="eye", caption="teller", tag="namer")
    return folder


@contextmanager
def worker(settings: Settings) -> Iterator[tuple[WorkerContext, CollectorRegistry]]:
    """A worker's insides in this process, with counters of its own."""
    registry = CollectorRegistry()
    context = open_worker(settings, Metrics(registry))
    try:
        yield context, registry
    finally:
        close_worker(context)


@pytest.fixture
def settings(database_url: str, photos: str, models: Path, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        data_dir=tmp_path / "data",
        models_dir=models,
        allow_hosts=(photos.split("/")[2],),
        runtime="openvino",
    )


def passed(registry: CollectorRegistry, model: str) -> float:
    """Items that went through a model's lane."""
    return registry.get_sample_value("tagline_batch_items_sum", {"model": model}) or 0.0


def run_job(
    context: WorkerContext, tenant: str, photos: str, tasks: tuple[str, ...], **more: Any
) -> list[dict[str, Any]]:
    refs = [f"{photos}/{NAMES[n % 4]}.jpg?n={n}" for n in range(20)]
    job = make_job(context.database, tenant, refs=refs, chunk=8, tasks=tasks, **more)
    while run_chunk(context, "image"):
        pass
    return list(stream_results(context.database, job))


def seen(models: Path, name: str) -> dict[str, NDArray[Any]]:
    """What the encoder makes of a sample photo."""
    eye = encoder_in(load_model(models / "eye@1.0.0", load_settings(runtime="openvino")))
    assert eye is not None
    pixels = decode_image((SAMPLES / f"{name}.jpg").read_bytes(), ImageSpec(size=(SIDE, SIDE)), 10**8).pixels
    return eye.encode([pixels], ("grid", "probabilities"))[0]


def test_three_tasks_one_pass(settings: Settings, database: Database, tenant: str, photos: str) -> None:
    options: dict[str, Any] = {"caption": {"beam_size": 2, "max_words": 6}, "classify": {"top_k": 2}}
    options["tag"] = {"vocabulary": ["dogs", "red grass", "!"], "top_k": 2}
    with worker(settings) as (context, registry):
        rows = run_job(context, tenant, photos, ("classify", "caption", "tag"), options=options)
        assert passed(registry, "eye@1.0.0") == 20
        assert passed(registry, "teller@1.0.0") == 20
        assert passed(registry, "namer@1.0.0") == 20
        rows += run_job(context, tenant, photos, ("caption",), options=options)
        assert passed(registry, "eye@1.0.0") == 40
        assert passed(registry, "namer@1.0.0") == 20
    assert {row["state"] for row in rows} == {"succeeded"}
    for row in rows[:20]:
        assert len(row["outputs"]["classify"]["labels"]) == 2
        assert set(row["outputs"]) == {"classify", "caption", "tag"}
        assert {label["label"] for label in row["outputs"]["tag"]["labels"]} < {"dogs", "red grass", "!"}
    assert [row["outputs"]["caption"] for row in rows[:20]] == [row["outputs"]["caption"] for row in rows[20:]]


def test_what_is_served_is_what_the_models_give(
    settings: Settings, database: Database, tenant: str, photos: str, models: Path
) -> None:
    with worker(settings) as (context, _):
        rows = run_job(context, tenant, photos, ("classify", "caption"))
    teller = load_model(models / "teller@1.0.0", load_settings(runtime="openvino"))
    for row, name in zip(rows, NAMES, strict=False):
        expected = seen(models, name)
        request = InferenceRequest(expected["grid"], CaptionOptions())
        caption = teller.render(teller.predict([request])[0], request.options)
        assert row["outputs"]["caption"] == {**caption, "variant": "f32"}
        best = row["outputs"]["classify"]["labels"][0]["score"]
        assert best == pytest.approx(float(np.max(expected["probabilities"])), abs=1e-6)


def test_models_on_two_encoders(settings: Settings, database: Database, tenant: str, photos: str, models: Path) -> None:
    """Two encoders: each sees each photo once."""
    write_encoder(models, name="other", seed=9)
    write_captioner(models, "2.0.0", encoder="other@1.0.0")
    with worker(settings) as (context, registry):
        rows = run_job(context, tenant, photos, ("classify", "caption", "tag"))
        assert passed(registry, "eye@1.0.0") == passed(registry, "other@1.0.0") == 20
    assert {row["outputs"]["caption"]["model"] for row in rows} == {"teller@2.0.0"}


def test_an_encoder_needs_no_classifier_beside_it(
    settings: Settings, database: Database, tenant: str, photos: str, models: Path
) -> None:
    """An artefact that is an encoder and nothing else: captioner and tagger read it, and no job can ask for it."""
    write_encoder(models, name="bare", kind="image-encoder", task="encode", labels=None)
    write_captioner(models, "2.0.0", encoder="bare@1.0.0")
    with worker(settings) as (context, registry):
        rows = run_job(context, tenant, photos, ("caption",))
        assert passed(registry, "bare@1.0.0") == 20
        assert passed(registry, "eye@1.0.0") == 0
        assert {row["outputs"]["caption"]["model"] for row in rows} == {"teller@2.0.0"}
        with pytest.raises(ArtefactError, match="model_wrong_task"):
            context.models.get("classify", "bare@1.0.0")


def test_an_encoder_alone_does_no_task(models: Path) -> None:
    alone = write_encoder(models, name="bare", kind="image-encoder", task="encode", labels=None)
    assert isinstance(load_artefact(alone, load_settings(runtime="openvino")), Encoder)
    with pytest.raises(ArtefactError, match="does no task"):
        load_model(alone, load_settings(runtime="openvino"))
    claims = write_encoder(models, "2.0.0", name="bare", kind="image-encoder")
    with pytest.raises(ArtefactError, match="kind image-encoder does no 'classify'") as caught:
        load_artefact(claims, load_settings(runtime="openvino"))
    assert caught.value.code == "manifest_invalid"


class Choosy(Captioner):
    """A captioner that cannot bear some grids."""

    hated: ClassVar[list[NDArray[np.float32]]] = []

    def predict(self, requests: Sequence[InferenceRequest[CaptionOptions]]) -> list[list[Caption]]:
        if any(np.allclose(request.input, grid, atol=1e-4) for request in requests for grid in self.hated):
            raise RuntimeError("it chokes")
        return super().predict(requests)


def test_a_head_that_fails_on_a_photo_fails_that_item_alone(
    settings: Settings, database: Database, tenant: str, photos: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS, "choosy", f"{__name__}.Choosy")
    write_captioner(models, "2.0.0", kind="choosy")
    with worker(settings) as (context, registry):
        monkeypatch.setattr(Choosy, "hated", [seen(models, "cat")["grid"]])
        rows = run_job(context, tenant, photos, ("classify", "caption"))
        assert passed(registry, "eye@1.0.0") == 20
    for at, row in enumerate(rows):
        if NAMES[at % 4] == "cat":
            assert row["error"]["code"] == "inference_failed"
        else:
            assert row["outputs"]["caption"]["model"] == "teller@2.0.0"


def test_options_that_the_worker_cannot_read_fail_the_items_and_nothing_else(
    settings: Settings, database: Database, tenant: str, photos: str
) -> None:
    with worker(settings) as (context, registry):
        rows = run_job(context, tenant, photos, ("classify",), options={"classify": {"sharpness": 2}})
        assert {row["error"]["code"] for row in rows} == {"option_invalid"}
        assert passed(registry, "eye@1.0.0") == 0
        assert {row["state"] for row in run_job(context, tenant, photos, ("classify",))} == {"succeeded"}


def test_the_embedding_of_a_photo_leaves_the_pipeline_beside_its_labels(
    settings: Settings, database: Database, tenant: str, photos: str, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ledger will keep it. What is stored of a job today is unchanged: labels and no embedding."""
    kept: list[ItemResult] = []

    for name in ("store_results", "store_some"):
        real = getattr(run, name)

        def store(session: Any, claim: Any, results: list[ItemResult], real: Any = real) -> Any:
            kept.extend(results)
            return real(session, claim, results)

        monkeypatch.setattr(run, name, store)
    with worker(settings) as (context, _):
        rows = run_job(context, tenant, photos, ("classify", "tag"))
    tagger = load_model(models / "namer@1.0.0", load_settings(runtime="openvino"))
    assert isinstance(tagger, Tagger)
    assert len(kept) == len(rows) == 20
    for result, row in zip(sorted(kept, key=lambda one: one.item.seq), rows, strict=True):
        assert set(result.embeddings) == {"tag"}
        assert result.embeddings["tag"].dtype == np.float16
        assert row["outputs"]["tag"].keys() == {"labels", "model", "variant"}
        again = tagger.tag(result.embeddings["tag"], TagOptions())
        scores = dict(zip(again.labels, again.scores.tolist(), strict=True))
        for label in row["outputs"]["tag"]["labels"]:
            assert label["score"] == pytest.approx(scores[label["label"]], abs=5e-3)
