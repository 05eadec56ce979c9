"""Training on made-up data: every task ends in an artefact that is served, and an interruption changes nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from core.artefacts import load_manifest
from core.settings import load_settings
from training.evaluate import check, overstates
from training.experiment import Experiment, Schedule, experiment_names, load_experiment
from training.fit import CURVE, METRICS, fit
from training.text.finish import start
from training.text.made_up import write_made_up
from training.train_small import shrink, train_small
from worker.models.base import Query
from worker.models.load import load_model

# Keras 3.15 asks TensorFlow for arrays in a way that numpy 2 warns about.
KERAS = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(KERAS)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small")
    train_small(out)
    return out


def test_every_task_is_trained_and_served(small: Path) -> None:
    for folder in sorted((small / "models").iterdir()):
        manifest = load_manifest(folder)
        for runtime in ("openvino", "tensorflow"):
            model = load_model(folder, load_settings(runtime=runtime))
            texts = ("a lovely thing", "free entry, claim now " * 40)
            items = [Query(model.prepare(text)) for text in texts]  # type: ignore[attr-defined]
            results = [model.render(raw, {}) for raw in model.predict(items)]
            assert all(result["model"] == manifest.id for result in results)
            assert all(sum(label["score"] for label in r["labels"]) == pytest.approx(1, abs=1e-4) for r in results)


def test_a_run_leaves_curve_and_metrics(small: Path) -> None:
    for folder in (small / "work").iterdir():
        assert (folder / CURVE).read_text().startswith("<svg")
        assert (folder / METRICS).read_text().count('"epoch"') == 2


def test_evaluation_agrees_with_the_card_and_catches_a_boast(small: Path) -> None:
    folder = small / "models" / "spam-ngram"
    manifest = load_manifest(folder)
    assert check(folder, manifest, small / "data") == []
    boast = manifest.metrics[0].model_copy(update={"value": manifest.metrics[0].value + 0.01})
    assert overstates(boast, manifest.metrics[0])
    boasting = manifest.model_copy(update={"metrics": (boast, *manifest.metrics[1:])})
    assert len(check(folder, boasting, small / "data")) == 2
    error = manifest.metrics[-1]
    assert overstates(error.model_copy(update={"value": error.value - 0.01}), error)


@pytest.mark.parametrize("name", ["spam", "sentiment", "language_conv"])
def test_interrupted_and_resumed_ends_at_the_same_place(name: str, tmp_path: Path) -> None:
    write_made_up(tmp_path / "data")
    experiment = shrink(load_experiment(name))
    whole = start(experiment, tmp_path / "data", tmp_path)
    rows = fit(whole.fitting(), tmp_path / "whole")
    fit(start(experiment, tmp_path / "data", tmp_path).fitting(), tmp_path / "halves", stop_after=1)
    resumed = start(experiment, tmp_path / "data", tmp_path)
    again = fit(resumed.fitting(), tmp_path / "halves")
    for first, second in zip(rows, again, strict=True):
        assert first["loss"] == pytest.approx(second["loss"], rel=1e-4)
    for first, second in zip(whole.network.weights, resumed.network.weights, strict=True):
        assert np.allclose(np.asarray(first), np.asarray(second), atol=1e-5)


def test_experiments_are_complete_and_a_wrong_setting_is_an_error() -> None:
    names = experiment_names()
    assert names == ["language_conv", "language_ff", "language_rnn", "sentiment", "spam"]
    for name in names:
        assert isinstance(load_experiment(name), Experiment)
    with pytest.raises(ValueError, match="there is no experiment"):
        load_experiment("speech")
    with pytest.raises(ValueError, match="Extra inputs"):
        Schedule.model_validate({"epochs": 1, "batch_size": 1, "learning_rate": 1, "momentum": 1})
