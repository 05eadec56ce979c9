"""The tasks that training knows: a line each. What a task is lies in its folder; `Task` says what the commands need."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from core.artefacts.manifest import Metric
from training.common.experiment import Experiment

if TYPE_CHECKING:
    from training.common.fit import Run

# The task of a plan -> its module, imported when it is used. A task stands below those whose artefacts it reads.
TASKS = {
    "encoder": "training.encoder.encoder_task",
    "caption": "training.captioner.caption_task",
    "caption-sequence": "training.captioner.sequence_task",
    "text-encoder": "training.text_encoder.text_encoder_task",
    "tag": "training.tagger.tag_task",
    "sentiment": "training.sentiment.sentiment_task",
    "language": "training.language.language_task",
    "spam": "training.spam.spam_task",
}


class Task(Protocol):
    """What a task's module has. A task without experiments, as the text encoder, has the first two alone.

    Attributes:
        ARTEFACT_TASK: the task in the manifests of its artefacts.
    """

    ARTEFACT_TASK: str

    def measure(self, folder: Path, data: Path) -> list[Metric]:
        """The metrics of an artefact, from it and the data folder.

        Raises:
            FileNotFoundError: the data is not there.
        """

    def start(self, experiment: Experiment[Any], data: Path, work: Path) -> Run:
        """A run of an experiment, from the data folder; what is computed once may be kept in the work folder."""

    def finish(self, run: Any, experiment: Experiment[Any], folder: Path, data: Path) -> None:
        """Write the artefact of a run that is trained. The test split is read here, and nowhere before."""

    def write_made_up(self, data: Path) -> None:
        """Write made-up data, enough for a small run, into a data folder."""


def task_named(name: str) -> Task:
    """A task by its name in plans.

    Raises:
        KeyError: there is none.
    """
    return cast(Task, import_module(TASKS[name]))


def tasks() -> Iterator[Task]:
    """All tasks, in order."""
    return map(task_named, TASKS)
