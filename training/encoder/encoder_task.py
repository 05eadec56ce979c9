"""The task "encoder" for the commands, see `training.tasks`; what needs Keras is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.artefacts.manifest import Metric
from training.common.experiment import Experiment
from training.common.photos.made_up_photos import write_made_up_photos
from training.encoder.encoder_plan import EncoderPlan

if TYPE_CHECKING:
    from training.encoder.encoder_run import EncoderRun

ARTEFACT_TASK = "classify"
write_made_up = write_made_up_photos


def start(experiment: Experiment[EncoderPlan], data: Path, work: Path) -> EncoderRun:
    """A run of an experiment."""
    from training.encoder.encoder_run import EncoderRun

    return EncoderRun(experiment, data, work)


def finish(run: EncoderRun, experiment: Experiment[EncoderPlan], folder: Path, _data: Path) -> None:
    """Write the artefact of a run that is trained, with the average of its weights if that is better."""
    from training.common.moving_average import take_better
    from training.encoder.encoder_package import package_encoder

    take_better(run.network, run.scores)
    package_encoder(run.top, experiment, folder)


def measure(folder: Path, data: Path) -> list[Metric]:
    """The metrics of an artefact."""
    from training.encoder.encoder_measure import measure_encoder

    return measure_encoder(folder, data)
