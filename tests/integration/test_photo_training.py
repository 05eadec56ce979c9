"""Training of encoder and captioner: interrupted and resumed it ends where it would have ended anyway."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("keras")

from training.captioner.caption_sampling import draw
from training.common.experiment import Experiment
from training.common.experiment_files import keep_experiment, load_experiment
from training.common.fit import fit
from training.common.photos.made_up_photos import write_made_up_photos
from training.run import start
from training.train_small import shrink

# Keras 3.15 asks TensorFlow for arrays in a way that numpy 2 warns about.
KERAS = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(KERAS)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shapes")
    write_made_up_photos(folder)
    return folder


@pytest.fixture(scope="module")
def encoder() -> Experiment:
    return shrink(load_experiment("photo_encoder"))


def weights(run: Any) -> list[NDArray[Any]]:
    return [np.asarray(weight) for weight in [*run.network.weights, *run.network.optimizer.variables]]


def same(first: Any, second: Any) -> None:
    """Weights, averages and the optimiser's memory are equal, but for the last bits of sums over threads."""
    for one, other in zip(weights(first), weights(second), strict=True):
        assert np.allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.fixture(scope="module")
def trained(data: Path, encoder: Experiment, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """An encoder trained in one go, in `work`/photo_encoder, and another in two halves beside it."""
    work = tmp_path_factory.mktemp("work")
    keep_experiment(encoder, work / "photo_encoder")
    whole = start(encoder, data, work / "photo_encoder")
    rows = fit(whole.fitting(), work / "photo_encoder")
    (work / "halves").mkdir()
    (work / "halves" / "trunk").symlink_to(work / "photo_encoder" / "trunk")
    fit(start(encoder, data, work / "halves").fitting(), work / "halves", stop_after=1)
    resumed = start(encoder, data, work / "halves")
    again = fit(resumed.fitting(), work / "halves")
    assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in again], rel=1e-4)
    return work, whole, resumed


def test_an_interrupted_encoder_ends_at_the_same_place(trained: tuple[Path, Any, Any]) -> None:
    _, whole, resumed = trained
    same(whole, resumed)
    assert whole.words == resumed.words


def test_an_interrupted_captioner_ends_at_the_same_place(trained: tuple[Path, Any, Any], data: Path) -> None:
    work, _, _ = trained
    for name in ("caption_words", "caption_transformer"):
        experiment = shrink(load_experiment(name))
        keep_experiment(experiment, work / name)
        keep_experiment(experiment, work / "again" / name)
        whole = start(experiment, data, work / name)
        before = weights(whole)
        rows = fit(whole.fitting(), work / name)
        fit(start(experiment, data, work / "again" / name).fitting(), work / "again" / name, stop_after=1)
        resumed = start(experiment, data, work / "again" / name)
        again = fit(resumed.fitting(), work / "again" / name)
        same(whole, resumed)
        assert [row["loss"] for row in rows] == pytest.approx([row["loss"] for row in again], rel=1e-3, abs=1e-5)
        assert any((one != other).any() for one, other in zip(before, weights(whole), strict=True)), "it has moved"


def test_a_captioner_without_words_says_what_to_do(data: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="train caption_words first"):
        start(shrink(load_experiment("caption_transformer")), data, tmp_path / "caption")


def test_words_are_drawn_as_often_as_they_are_likely() -> None:
    chances = np.array([0.0, 0.0, 0.2, 0.0, 0.5, 0.3])
    with np.errstate(divide="ignore"):
        scores = np.log(np.tile(chances, (20_000, 1))).astype(np.float32)
    scores[:, [0, 1, 3]] = 9.0  # padding, start and unknown are never drawn, however likely
    drawn = draw(scores, np.random.default_rng(0))
    assert np.bincount(drawn, minlength=6) / len(drawn) == pytest.approx(chances, abs=0.015)
