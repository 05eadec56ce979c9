"""The task "language" for the commands, see `training.tasks`; what needs Keras is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.artefacts.manifest import Metric
from training.common.experiment import Experiment
from training.language.language_data import load_language
from training.language.language_plan import LanguagePlan
from training.language.made_up_words import write_made_up_words

if TYPE_CHECKING:
    from training.language.language_run import LanguageRun

ARTEFACT_TASK = "language"
write_made_up = write_made_up_words


def start(experiment: Experiment[LanguagePlan], data: Path, _work: Path) -> LanguageRun:
    """A run of an experiment."""
    from training.language.language_run import LanguageRun

    return LanguageRun(experiment, load_language(data))


def finish(run: LanguageRun, experiment: Experiment[LanguagePlan], folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained."""
    from training.language.language_package import package_language

    package_language(run, experiment, folder, data)


def measure(folder: Path, data: Path) -> list[Metric]:
    """The metrics of an artefact."""
    from training.language.language_measure import measure_language

    return measure_language(folder, data)
