"""The task "sentiment" for the commands, see `training.tasks`; what needs Keras is imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from core.artefacts.manifest import Metric
from training.common.experiment import Experiment
from training.sentiment.made_up_reviews import write_made_up_reviews
from training.sentiment.sentiment_data import load_sentiment, reviews_path
from training.sentiment.sentiment_plan import SentimentPlan

if TYPE_CHECKING:
    from training.sentiment.sentiment_run import SentimentRun

ARTEFACT_TASK = "sentiment"
write_made_up = write_made_up_reviews


def start(experiment: Experiment[SentimentPlan], data: Path, _work: Path) -> SentimentRun:
    """A run of an experiment."""
    from training.sentiment.sentiment_run import SentimentRun

    reviews = load_sentiment(reviews_path(data), experiment.plan.validation, experiment.seed)
    return SentimentRun(experiment, reviews)


def finish(run: SentimentRun, experiment: Experiment[SentimentPlan], folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained."""
    from training.sentiment.sentiment_package import package_sentiment

    package_sentiment(run, experiment, folder, data)


def measure(folder: Path, data: Path) -> list[Metric]:
    """The metrics of an artefact."""
    from training.sentiment.sentiment_measure import measure_sentiment

    return measure_sentiment(folder, data)
