"""From an experiment on photos to its run, and from a run that is trained to an artefact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from training.captioner.caption_package import package_captioner
from training.captioner.caption_run import CaptionRun
from training.common.experiment import Experiment
from training.common.moving_average import take_better
from training.encoder.encoder_package import package_encoder
from training.encoder.encoder_run import EncoderRun


def start(experiment: Experiment, data: Path, work: Path) -> Any:
    """The run of an experiment: an object with `fitting()` and a `network`."""
    kinds = {"encoder": EncoderRun, "caption": CaptionRun}
    return kinds[experiment.plan.task](experiment, data, work)


def finish(run: Any, experiment: Experiment, folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained, with the average of its weights if that is better.

    Args:
        run: what `start` gave.
        experiment: what it is a run of.
        folder: the artefact's.
        data: the data folder; the test split in it is touched here and nowhere before.
    """
    take_better(run.network, run.scores)
    if isinstance(run, EncoderRun):
        package_encoder(run.top, experiment, folder)
    else:
        package_captioner(run, experiment, folder, data)
