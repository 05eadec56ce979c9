"""Versions: the newest that works is warmed, takes over at a reload, and what is broken changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

pytest.importorskip("tensorflow")

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import MANIFEST
from core.errors import ArtefactError
from core.settings import load_settings
from tests.support.artefacts import set_defaults, write_captioner, write_encoder
from worker.inference.repository import ModelRepository
from worker.metrics import Metrics


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_encoder(tmp_path)
    write_captioner(tmp_path)
    set_defaults(tmp_path, classify="eye", caption="teller")
    return tmp_path


@pytest.fixture
def warm(models: Path) -> Iterator[ModelRepository]:
    opened = opened_models(models)
    yield opened
    opened.close()


def opened_models(models: Path) -> ModelRepository:
    opened = ModelRepository(load_settings(models_dir=models, runtime="openvino"), Metrics(CollectorRegistry()))
    opened.load_defaults()
    return opened


def default(warm: ModelRepository, task: str) -> str:
    return warm.get(task, None).model.manifest.id


def damage(folder: Path) -> None:
    """A graph that does something else than the manifest says, though it is what the manifest lists."""
    path = folder / MANIFEST
    manifest = json.loads(path.read_text())
    manifest["outputs"]["probabilities"]["dtype"] = "int32"
    path.write_text(json.dumps(manifest))


def codes(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.code for record in caplog.records if record.levelname == "ERROR" and hasattr(record, "code")]


def test_a_newer_version_takes_over_and_the_older_stays_for_those_who_were_promised_it(
    warm: ModelRepository, models: Path
) -> None:
    assert (default(warm, "classify"), default(warm, "caption")) == ("eye@1.0.0", "teller@1.0.0")
    old = warm.get("classify", "eye@1.0.0")
    write_encoder(models, "1.10.0", seed=5)
    write_encoder(models, "1.9.0", seed=6)
    write_captioner(models, "2.0.0", encoder="eye@1.9.0")
    assert default(warm, "classify") == "eye@1.0.0", "before the reload nothing changes"
    warm.reload()
    assert (default(warm, "classify"), default(warm, "caption")) == ("eye@1.10.0", "teller@2.0.0")
    assert warm.get("classify", "eye@1.0.0") is old
    assert set(warm.names()) == {"eye@1.0.0", "eye@1.9.0", "eye@1.10.0", "teller@1.0.0", "teller@2.0.0"}
    reads = warm.get("caption", None).reads
    assert reads is not None
    classes = warm.get("classify", "eye@1.9.0").reads
    assert classes is not None
    assert reads.encoder is classes.encoder


@pytest.mark.parametrize("how", ["manifest", "files", "unreadable", "encoder"])
def test_a_broken_version_is_refused_and_the_old_one_goes_on(
    warm: ModelRepository, models: Path, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    if how == "encoder":
        write_captioner(models, "2.0.0", encoder="eye@7.0.0")
    else:
        folder = write_encoder(models, "2.0.0")
        if how == "manifest":
            damage(folder)
        elif how == "files":
            (folder / "graph.pb").write_bytes(b"cut")
        else:
            (folder / MANIFEST).write_text("{")
    warm.reload()
    expected = {"manifest": "warm_up_failed", "files": "file_hash", "unreadable": "manifest_invalid"}
    assert codes(caplog) == [expected.get(how, "encoder_missing")]
    assert (default(warm, "classify"), default(warm, "caption")) == ("eye@1.0.0", "teller@1.0.0")
    assert warm.names() == ["eye@1.0.0", "teller@1.0.0"]


def test_a_worker_starts_on_the_newest_version_that_works(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    damage(write_encoder(models, "2.0.0"))
    warm = opened_models(models)
    assert default(warm, "classify") == "eye@1.0.0"
    assert codes(caplog) == ["warm_up_failed"]
    warm.close()
    damage(models / "eye@1.0.0")
    with pytest.raises(ArtefactError, match=r"eye@2\.0\.0 gives"):
        opened_models(models)


def test_other_content_under_a_version_that_runs_is_reported(
    warm: ModelRepository, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = warm.get("classify", None)
    for path in (models / "eye@1.0.0").iterdir():
        path.unlink()
    (models / "eye@1.0.0").rmdir()
    write_encoder(models, seed=8)
    warm.reload()
    assert codes(caplog) == ["version_reused"]
    assert warm.get("classify", None) is old


def test_the_default_can_be_changed_and_nonsense_in_its_file_changes_nothing(
    warm: ModelRepository, models: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_encoder(models, name="other", seed=3)
    set_defaults(models, classify="other", caption="teller@1.0.0")
    warm.reload()
    assert default(warm, "classify") == "other@1.0.0"
    (models / "defaults.json").write_text("[")
    warm.reload()
    assert codes(caplog) == ["defaults_invalid"]
    set_defaults(models, classify="nobody", caption="teller")
    warm.reload()
    assert default(warm, "classify") == "other@1.0.0"
    assert codes(caplog)[1:] == ["model_unknown"]


@pytest.mark.parametrize("how", ["refused by the worker", "damaged", "not there"])
def test_a_new_default_that_cannot_serve_leaves_jobs_with_the_one_that_does(
    warm: ModelRepository, models: Path, how: str
) -> None:
    if how != "not there":
        folder = write_encoder(models, name="other", seed=3)
        if how == "damaged":
            (folder / "graph.pb").write_bytes(b"cut")
        else:
            damage(folder)
    set_defaults(models, classify="other", caption="teller")
    for _ in range(2):
        # What the API does for a job that names no model, before the reload and after it.
        promised = Catalogue(models).resolve("classify", None, warm.names()).manifest
        assert promised is not None
        assert promised.id == "eye@1.0.0"
        warm.reload()
    assert default(warm, "classify") == "eye@1.0.0"


def test_a_kind_that_raises_where_nobody_expects_it_is_refused_once(
    warm: ModelRepository, models: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def refuse(folder: Path, *_: object) -> None:
        tried.append(folder.name)
        raise KeyError("layers")

    write_captioner(models, "2.0.0")
    with monkeypatch.context() as patched:
        patched.setattr("worker.models.captioner.Captioner", refuse)
        warm.reload()
        for _ in range(3):
            with pytest.raises(ArtefactError, match=r"teller@2\.0\.0 cannot be loaded"):
                warm.get("caption", "teller@2.0.0")
    assert codes(caplog) == ["warm_up_failed"]
    assert len(tried) == 1, "a large job must not load it again for every chunk"
    assert default(warm, "caption") == "teller@1.0.0"
    warm.reload()
    assert default(warm, "caption") == "teller@2.0.0", "a reload tries again"


def test_models_that_are_warm_without_being_a_default_are_renewed_too(warm: ModelRepository, models: Path) -> None:
    write_encoder(models, name="other", seed=3)
    warm.get("classify", "other")
    write_encoder(models, "1.1.0", name="other", seed=4)
    assert warm.get("classify", "other").model.manifest.id == "other@1.0.0", "a bare name means what has proved itself"
    warm.reload()
    assert warm.get("classify", "other").model.manifest.id == "other@1.1.0"
    assert default(warm, "classify") == "eye@1.0.0"
