"""What is measured of the shipped encoder is kept, serves from the next start on, and is said wherever one asks."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

pytest.importorskip("openvino")

from cli.doctor import report
from core.artefacts.manifest import load_manifest
from core.calibration.found_file import CalibrationRoom, FoundFile
from core.calibration.setups import RunsAs, Setup, calibration_key, variants_to_try
from core.processor import this_processor
from core.settings import MODELS_DIR, Settings
from db.engine import Database
from db.results import stream_results
from tests.support.api import Caller
from tests.support.jobs import make_job
from tests.support.photos import photo_server
from tests.support.worker import run_chunk
from worker.calibration.calibrator import Calibrator
from worker.calibration.idleness import Processors
from worker.inference.lanes import ServedArtefact
from worker.inference.repository import ModelRepository
from worker.metrics import Metrics
from worker.process.lifetime import close_worker, open_worker

ENCODER = "efficientnet-lite2"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The shipped encoder alone, and an empty data folder."""
    models, data = tmp_path / "models", tmp_path / "data"
    models.mkdir()
    data.mkdir()
    (models / ENCODER).symlink_to(MODELS_DIR / ENCODER)
    (models / "defaults.json").write_text(json.dumps({"classify": ENCODER}))
    return Settings(data_dir=data, models_dir=models, runtime="openvino", batch_size=8)


@contextmanager
def loaded(settings: Settings) -> Iterator[tuple[ModelRepository, ServedArtefact]]:
    models = ModelRepository(settings, Metrics(CollectorRegistry()))
    models.load_defaults()
    try:
        [encoder] = models.measurable()
        yield models, encoder
    finally:
        models.close()


def test_what_is_measured_serves_from_the_next_start_on(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Would fail if nothing were found on real graphs, or if what was found were not what is loaded afterwards."""
    manifest, processor = load_manifest(MODELS_DIR / ENCODER), this_processor()
    caplog.set_level(logging.INFO)
    with loaded(settings) as (models, encoder):
        assert encoder.runs.chosen == "default"
        calibrator = Calibrator(
            settings, models.measurable, lambda: True, processors=lambda: Processors(Path("/nowhere")), look_s=0.01,
            memory=lambda: None, budget_s=300,  # of a machine that runs other tests beside this one
        )  # fmt: skip
        calibrator.start()
        calibrator._thread.join(300)
        [now] = models.measurable()
        assert now is encoder, "it does not change while a worker runs"
    [(key, found)] = CalibrationRoom(settings.data_dir).read().found.items()
    assert key == calibration_key(manifest, settings, processor)
    allowed = variants_to_try(manifest, "auto", processor.features)
    assert found.rates.keys() == set(allowed)
    assert all(rate > 1 for rate in found.rates.values())
    assert found.variant in allowed
    assert found.batch_size in (4, 8)
    assert 1 <= found.streams <= processor.cores
    assert "measured how a model runs best" in caplog.text

    with loaded(settings) as (models, encoder):
        chosen = Setup(found.variant, found.batch_size, found.streams)
        assert encoder.runs == RunsAs(chosen, "measured")
        line = f"{manifest.id}/{found.variant}/{found.batch_size}/{found.streams}/measured"
        assert line in models.announced()
    [said] = [line for line in report(settings, processor) if line.startswith(manifest.id)]
    assert f"measured: f32 {found.rates['f32']:g}/s" in said

    with loaded(settings.model_copy(update={"precision": "f32"})) as (_, encoder):
        assert encoder.runs == RunsAs(Setup("f32", 8), "pinned")

    CalibrationRoom(settings.data_dir).file.write_text("{")
    caplog.clear()
    with loaded(settings) as (_, encoder):
        assert encoder.runs.chosen == "default"
    assert caplog.text.count("what was measured on this machine is ignored") == 1


def test_what_is_kept_is_what_runs(
    settings: Settings, database: Database, database_url: str, tenant: str, acme: Caller
) -> None:
    """The file, and not the processor's features, decides; results and GET /v1/models say which it was."""
    manifest = load_manifest(MODELS_DIR / ENCODER)
    key = calibration_key(manifest, settings, this_processor())
    room = CalibrationRoom(settings.data_dir)
    found = {
        "model": manifest.id, "processor": "", "variant": "f32", "batch_size": 4, "streams": 1, "rates": {},
        "seconds": 1.0, "measured_at": "",
    }  # fmt: skip
    with room.locked() as mine:
        assert mine
        room.write(FoundFile.model_validate({"found": {key: found}}))
    with photo_server() as url:
        more = {"database_url": database_url, "allow_hosts": (url.split("/")[2],)}
        context = open_worker(settings.model_copy(update=more), Metrics(CollectorRegistry()))
        try:
            [encoder] = context.models.measurable()
            assert encoder.encoder is not None
            assert (encoder.loaded.streams, encoder.encoder.lane._batch_size) == (1, 4)
            job = make_job(database, tenant, refs=[f"{url}/cat.jpg"], chunk=1)
            assert run_chunk(context, "image")
            [row] = stream_results(database, job)
            assert row["outputs"]["classify"]["variant"] == "f32"
            [model] = [one for one in acme.get("/v1/models").json["data"] if one["id"] == manifest.id]
            assert model["setups"] == [{"variant": "f32", "batch_size": 4, "streams": 1, "chosen": "measured"}]
            assert [one["name"] for one in model["variants"] if one["running"]] == ["f32"]
            assert model["warm"] is True
        finally:
            close_worker(context)
    others = [one for one in acme.get("/v1/models").json["data"] if one["id"] != manifest.id]
    assert all(one["setups"] == [] for one in others)
