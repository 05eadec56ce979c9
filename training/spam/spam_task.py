"""The task "spam" for the commands, see `training.tasks`; what needs Keras is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.artefacts.manifest import Metric
from training.common.experiment import Experiment
from training.spam.made_up_messages import write_made_up_messages
from training.spam.spam_data import load_spam, messages_path
from training.spam.spam_plan import SpamPlan

if TYPE_CHECKING:
    from training.spam.spam_run import SpamRun

ARTEFACT_TASK = "spam"
write_made_up = write_made_up_messages


def start(experiment: Experiment[SpamPlan], data: Path, _work: Path) -> SpamRun:
    """A run of an experiment."""
    from training.spam.spam_run import SpamRun

    return SpamRun(experiment, load_spam(messages_path(data), experiment.plan.folds))


def finish(run: SpamRun, experiment: Experiment[SpamPlan], folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained."""
    from training.spam.spam_package import package_spam

    package_spam(run, experiment, folder, data)


def measure(folder: Path, data: Path) -> list[Metric]:
    """The metrics of an artefact."""
    from training.spam.spam_measure import measure_spam

    return measure_spam(folder, data)
