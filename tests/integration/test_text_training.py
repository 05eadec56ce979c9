"""Training of the text tasks: an interruption changes nothing. What comes out of it is tested with all tasks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from tests.support.made_up import write_made_up
from training.common.experiment_files import load_experiment
from training.common.fit import fit
from training.run import start
from training.train_small import shrink

# Keras 3.15 asks TensorFlow for arrays in a way that numpy 2 warns about.
KERAS = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings(KERAS)]


@pytest.mark.parametrize("name", ["spam", "sentiment", "language_conv", "language_ff", "language_rnn"])
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
