"""The task "caption-sequence" for the commands, see `training.tasks`; imports Keras when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from training.captioner.caption_task import ARTEFACT_TASK, measure, write_made_up
from training.captioner.sequence_plan import SequencePlan
from training.common.experiment import Experiment

if TYPE_CHECKING:
    from training.captioner.sequence_run import SequenceRun

__all__ = ["ARTEFACT_TASK", "finish", "measure", "start", "write_made_up"]


def start(experiment: Experiment[SequencePlan], data: Path, work: Path) -> SequenceRun:
    """A run of an experiment."""
    from training.captioner.sequence_run import SequenceRun

    return SequenceRun(experiment, data, work)


def finish(run: SequenceRun, experiment: Experiment[SequencePlan], folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained, with the average of its weights if that is better."""
    from training.captioner.caption_package import package_captioner
    from training.common.moving_average import take_better

    take_better(run.network, run.scores)
    package_captioner(run.before, experiment, folder, data)
