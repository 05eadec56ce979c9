"""Training on made-up data: every task ends in an artefact that is served, measured, and described."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("keras")

from core.artefacts.manifest import load_manifest
from core.images.decode import ImageSpec, decode_image
from core.settings import load_settings
from core.tasks import ClassifyOptions, read_options
from training.common.experiment import Experiment, Schedule
from training.common.experiment_files import experiment_names, load_experiment
from training.common.fit import CURVE, METRICS
from training.evaluate import check, measure_of, overstates
from training.train_small import SHIPPED, small_experiments, train_small
from worker.models.load import load_model
from worker.models.model import InferenceRequest, Model, Output, encoder_in

# Keras 3.15 asks TensorFlow for arrays in a way that numpy 2 warns about.
KERAS = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(KERAS)]
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
TEXTS = ("a lovely thing", "free entry, claim now " * 40)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("small")
    train_small(out)
    return out


def of_task(small: Path, *tasks: str) -> list[Path]:
    """The artefacts of some tasks."""
    every = sorted((small / "models").iterdir())
    return [folder for folder in every if load_manifest(folder, verify=False).task in tasks]


def results(model: Model, values: list[Any], options: dict[str, Any]) -> list[dict[str, Any]]:
    asked = read_options(model.manifest.task, options)
    raw = model.predict([InferenceRequest(value, asked) for value in values])
    rendered = [model.render(one, asked) for one in raw]
    return [one.json if isinstance(one, Output) else one for one in rendered]


@pytest.mark.parametrize("runtime", ["openvino", "tensorflow"])
def test_every_text_task_is_trained_and_served(small: Path, runtime: str) -> None:
    folders = of_task(small, "sentiment", "language", "spam")
    assert len(folders) == 5
    for folder in folders:
        model = load_model(folder, load_settings(runtime=runtime))
        found = results(model, [model.prepare(text) for text in TEXTS], {})  # type: ignore[attr-defined]
        assert all(result["model"] == load_manifest(folder).id for result in found)
        assert all(sum(label["score"] for label in r["labels"]) == pytest.approx(1, abs=1e-4) for r in found)


def test_every_photo_task_is_trained_and_served(small: Path) -> None:
    settings = load_settings(runtime="openvino")
    [folder] = of_task(small, "classify")
    classifier = load_model(folder, settings)
    encoder = encoder_in(classifier)
    assert encoder is not None
    spec = encoder.manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    photos = [decode_image((SAMPLES / f"{name}.jpg").read_bytes(), spec, 10**8).pixels for name in ("cat", "coffee")]
    seen = encoder.encode(photos, ("probabilities", "grid", "pooled"))
    names = [classifier.render(row["probabilities"], ClassifyOptions())["labels"][0]["label"] for row in seen]
    assert "cat" in names[0], "the published classifier is untouched by training"
    assert "espresso" in names[1]
    for captioner in of_task(small, "caption"):
        options = {"beam_size": 3, "candidates": 2}
        told = results(load_model(captioner, settings), [row["grid"] for row in seen], options)
        assert all(0 <= one["score"] <= 1 and len(one["candidates"]) == 2 for one in told)
    for folder in of_task(small, "tag"):
        own = {"vocabulary": ["circle", "dog", "cup of coffee"], "top_k": 2}
        labels = results(load_model(folder, settings), [row["pooled"] for row in seen], own)
        assert all(len(one["labels"]) == 2 for one in labels)
    assert bool(of_task(small, "tag")) == (SHIPPED / "minilm-l6").is_dir()


def test_a_run_leaves_curve_and_metrics(small: Path) -> None:
    # What the encoder gives for photos is kept beside the runs, for all of them.
    folders = sorted(folder for folder in (small / "work").iterdir() if folder.name != "encoded")
    assert [folder.name for folder in folders] == sorted(small_experiments())
    for folder in folders:
        assert (folder / CURVE).read_text().startswith("<svg")
        assert (folder / METRICS).read_text().count('"epoch"') == 2


@pytest.mark.parametrize("name", ["spam-ngram", "caption-transformer", "efficientnet-lite2"])
def test_evaluation_agrees_with_the_card_and_catches_a_boast(small: Path, name: str) -> None:
    folder = small / "models" / name
    manifest = load_manifest(folder)
    count, complaints = check(folder, manifest, small / "data")
    assert (count > 0, complaints) == (True, [])
    measured = {metric.name for metric in measure_of(manifest.task)(folder, small / "data")}
    metrics = [metric.model_copy(update={"value": metric.value + 0.01}) for metric in manifest.metrics]
    boasting = manifest.model_copy(update={"metrics": tuple(metrics)})
    upwards = [m for m in manifest.metrics if m.name in measured and not m.name.endswith(("error", "difference"))]
    assert len(check(folder, boasting, small / "data")[1]) == len(upwards) + 1, "each number, and the card differs"
    assert all(overstates(m.model_copy(update={"value": m.value + 0.01}), m) for m in upwards)


def test_experiments_are_complete_and_a_wrong_setting_is_an_error() -> None:
    names = experiment_names()
    photo = ["caption_own", "caption_transformer", "caption_words", "photo_encoder", "tag_open", "tag_unseen"]
    assert names == sorted([*photo, "language_conv", "language_ff", "language_rnn", "sentiment", "spam"])
    for name in names:
        assert isinstance(load_experiment(name), Experiment)
    with pytest.raises(ValueError, match="there is no experiment"):
        load_experiment("speech")
    with pytest.raises(ValueError, match="Extra inputs"):
        Schedule.model_validate({"epochs": 1, "batch_size": 1, "learning_rate": 1, "momentum": 1})
