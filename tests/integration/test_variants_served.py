"""A worker runs the variant that is asked for, says so in results, and falls back where one does not run."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

pytest.importorskip("tensorflow")

from core.settings import Settings
from db.engine import Database
from db.results import stream_results
from db.workers import list_workers, running_variants, warm_models
from tests.support.artefacts import set_defaults, write_captioner, write_encoder
from tests.support.jobs import make_job
from tests.support.photos import photo_server
from tests.support.variants import EIGHT_BITS, add_variants
from tests.support.worker import run_chunk
from worker.chunk.context import WorkerContext
from worker.metrics import Metrics
from worker.process.lifetime import close_worker, open_worker

TASKS = ("classify", "caption")


@pytest.fixture(scope="module")
def photos() -> Iterator[str]:
    with photo_server() as url:
        yield url


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """An encoder whose int8 graph is another network, so that one sees which ran, and a captioner on top of it."""
    folder = tmp_path / "models"
    other = write_encoder(tmp_path / "other", seed=9)
    add_variants(write_encoder(folder), (other / "graph.pb").read_bytes())
    write_captioner(folder)
    set_defaults(folder, classify="eye", caption="teller")
    return folder


@contextmanager
def worker(
    database_url: str, photos: str, models: Path, data: Path, precision: str
) -> Iterator[tuple[WorkerContext, CollectorRegistry]]:
    settings = Settings(
        database_url=database_url, data_dir=data, models_dir=models, allow_hosts=(photos.split("/")[2],),
        runtime="openvino", precision=precision,
    )  # fmt: skip
    registry = CollectorRegistry()
    context = open_worker(settings, Metrics(registry))
    try:
        yield context, registry
    finally:
        close_worker(context)


def outputs(context: WorkerContext, tenant: str, photos: str) -> dict[str, Any]:
    job = make_job(context.database, tenant, refs=[f"{photos}/cat.jpg"], chunk=1, tasks=TASKS)
    while run_chunk(context, "image"):
        pass
    [row] = stream_results(context.database, job)
    assert row["error"] is None
    found: dict[str, Any] = row["outputs"]
    return found


def test_results_are_of_the_variant_that_they_name(
    database: Database, database_url: str, tenant: str, photos: str, models: Path, tmp_path: Path
) -> None:
    with worker(database_url, photos, models, tmp_path / "data", "f32") as (context, registry):
        plain = outputs(context, tenant, photos)
        assert registry.get_sample_value("tagline_infer_seconds_count", {"model": "eye@1.0.0", "variant": "f32"})
    with worker(database_url, photos, models, tmp_path / "data", "int8") as (context, registry):
        other = outputs(context, tenant, photos)
        assert registry.get_sample_value("tagline_infer_seconds_count", {"model": "eye@1.0.0", "variant": "int8"})
        assert registry.get_sample_value("tagline_infer_seconds_count", {"model": "teller@1.0.0", "variant": "f32"})
        with database.read() as session:
            assert running_variants(session) == {"eye@1.0.0": {"int8"}}
            assert warm_models(session) == ("eye@1.0.0", "teller@1.0.0")
            assert [one.models for one in list_workers(session)] == [("eye@1.0.0", "teller@1.0.0")]
    assert {plain[task]["variant"] for task in TASKS} == {"f32"}
    assert {other[task]["variant"] for task in TASKS} == {"int8"}, "a caption is of what its encoder saw"
    assert plain["classify"]["model"] == other["classify"]["model"] == "eye@1.0.0"
    assert plain["classify"]["labels"] != other["classify"]["labels"]
    assert plain["caption"]["score"] != other["caption"]["score"]


@pytest.mark.parametrize("fault", ["missing", "damaged", "no graph"])
def test_a_variant_that_does_not_run_leaves_single_precision(
    database: Database, database_url: str, tenant: str, photos: str, models: Path, tmp_path: Path, fault: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Would fail if a lost file of a variant kept a worker from starting, or if its results named what did not run."""
    folder = models / "eye@1.0.0"
    if fault == "missing":
        (folder / EIGHT_BITS).unlink()
    elif fault == "damaged":
        (folder / EIGHT_BITS).write_bytes(b"damaged")
    else:
        add_variants(folder, b"no graph")
    with (
        caplog.at_level(logging.ERROR),
        worker(database_url, photos, models, tmp_path / "data", "int8") as (context, _),
    ):
        assert outputs(context, tenant, photos)["caption"]["variant"] == "f32"
    assert "a variant is refused" in caplog.text


def test_tensorflow_runs_single_precision(
    database: Database, database_url: str, tenant: str, photos: str, models: Path, tmp_path: Path
) -> None:
    settings = Settings(
        database_url=database_url, data_dir=tmp_path / "data", models_dir=models, runtime="tensorflow",
        allow_hosts=(photos.split("/")[2],), precision="int8",
    )  # fmt: skip
    context = open_worker(settings, Metrics(CollectorRegistry()))
    try:
        assert outputs(context, tenant, photos)["classify"]["variant"] == "f32"
    finally:
        close_worker(context)
