"""The task "tag" for the commands, see `training.tasks`; what needs Keras is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.artefacts.manifest import Metric, load_manifest
from training.common.experiment import Experiment
from training.common.find_artefact import artefact_folder
from training.common.photos.made_up_photos import write_made_up_photos
from training.tagger.tag_plan import TagPlan

if TYPE_CHECKING:
    from training.tagger.tag_run import TagRun

ARTEFACT_TASK = "tag"
write_made_up = write_made_up_photos


def start(experiment: Experiment[TagPlan], data: Path, work: Path) -> TagRun:
    """A run of an experiment."""
    from training.tagger.tag_run import TagRun

    encoder, text = (artefact_folder(name, work) for name in experiment.plan.needed_artefacts())
    return TagRun(experiment, data, work, encoder, text)


def finish(run: TagRun, experiment: Experiment[TagPlan], folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained.

    Raises:
        FileNotFoundError: the plan reports a second tagger's numbers, and that has not been trained.
    """
    from training.tagger.tag_package import package_tagger

    second = experiment.plan.second
    reported = load_manifest(artefact_folder(second, run.work)).metrics if second else ()
    package_tagger(run, experiment, folder, data, reported)


def measure(folder: Path, data: Path) -> list[Metric]:
    """The metrics of an artefact."""
    from training.tagger.tag_measure import measure_tagger

    return measure_tagger(folder, data)
