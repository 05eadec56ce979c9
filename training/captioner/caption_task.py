"""The task "caption" for the commands, see `training.tasks`; what needs Keras is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.artefacts.manifest import Metric
from training.captioner.caption_plan import CaptionPlan
from training.common.experiment import Experiment
from training.common.photos.made_up_photos import write_made_up_photos

if TYPE_CHECKING:
    from training.captioner.caption_run import CaptionRun

ARTEFACT_TASK = "caption"
write_made_up = write_made_up_photos


def start(experiment: Experiment[CaptionPlan], data: Path, work: Path) -> CaptionRun:
    """A run of an experiment."""
    from training.captioner.caption_run import CaptionRun

    return CaptionRun(experiment, data, work)


def finish(run: CaptionRun, experiment: Experiment[CaptionPlan], folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained, with the average of its weights if that is better."""
    from training.captioner.caption_package import package_captioner
    from training.common.moving_average import take_better

    take_better(run.network, run.scores)
    package_captioner(run, experiment, folder, data)


def measure(folder: Path, data: Path) -> list[Metric]:
    """The metrics of an artefact."""
    from training.captioner.caption_measure import measure_captions

    return measure_captions(folder, data)
