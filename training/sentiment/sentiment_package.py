"""From a trained text network to an artefact: calibrate, write the graph, measure it, write manifest and card."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from training.card import write_card
from training.common.calibration import best_threshold, factor_and_shifts, sigmoid, weigh
from training.common.experiment import Experiment
from training.common.package import write_manifest
from training.common.texts.classifier_package import fold, manifest_fields, write_network
from training.language import language_run as language
from training.language.language_data import LANGUAGES, load_language
from training.sentiment import sentiment_run as sentiment
from training.spam import spam_run as spam
from training.spam.spam_measure import FOLDS, MEASURES, PRECISION, reviews_path

NAMES = {"en": "English", "fr": "French", "es": "Spanish"}
LICENCES = {
    "sentiment": ("weights: see the card; learnt from a research data set", "Large Movie Review Dataset (Maas 2011)"),
    "language": ("CC-BY-SA-4.0", "word frequencies of film subtitles (CC-BY-SA-4.0); sentences of free manual pages"),
    "spam": ("weights: see the card; learnt from a research data set", "SMS Spam Collection v.1 (Almeida 2011)"),
}


def start(experiment: Experiment, data: Path, _work: Path) -> Any:
    """The run of an experiment: an object with `fitting()` and a `network`."""
    plan = experiment.plan
    if plan.task == "sentiment":
        reviews = sentiment.load_sentiment(reviews_path(data), plan.validation, experiment.seed)
        return sentiment.SentimentRun(experiment, reviews)
    if plan.task == "language":
        return language.LanguageRun(experiment, load_language(data))
    return spam.SpamRun(experiment, spam.load_spam(data / "sms_spam.tsv", FOLDS))


def finish(run: Any, experiment: Experiment, folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained.

    Args:
        run: what `start` gave.
        experiment: what it is a run of.
        folder: the artefact's.
        data: the data folder; the test splits in it are touched here and nowhere before.
    """
    fold(run.network)
    outputs, more = HEADS[experiment.plan.task](run, experiment, folder)
    licence, source = LICENCES[experiment.plan.task]
    fields = manifest_fields(experiment, outputs, **more, licence=licence, source=source)
    files = ["graph.pb", "labels.csv"]
    write_manifest(folder, {**fields, "metrics": []}, files)
    metrics = MEASURES[experiment.plan.task](folder, data)
    write_card(folder, experiment.name, metrics)
    rows = [metric.model_dump(exclude_none=True) for metric in metrics]
    write_manifest(folder, {**fields, "metrics": rows}, [*files, "README.md"])


def _sentiment(
    run: sentiment.SentimentRun, experiment: Experiment, folder: Path
) -> tuple[dict[str, int], dict[str, Any]]:
    *weights, constant = (float(weight) for weight in run.weights())
    column = np.array(weights, np.float32)[:, None]

    def head(logits: Any) -> Mapping[str, Any]:
        chance = ops.sigmoid(ops.matmul(logits, column) + constant)
        return {"probabilities": ops.concatenate([1 - chance, chance], axis=1)}

    write_network(folder, experiment, run.network, head, [(name[:3], name) for name in sentiment.LABELS])
    return {"probabilities": 2}, {"threshold": 0.5}


def _language(run: language.LanguageRun, experiment: Experiment, folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
    factor, *shifts = (float(value) for value in factor_and_shifts(*run.validation_logits()))
    shift = np.array(shifts, np.float32)

    def head(logits: Any) -> Mapping[str, Any]:
        return {"probabilities": ops.softmax(logits * factor + shift)}

    write_network(folder, experiment, run.network, head, [(NAMES[code], code) for code in LANGUAGES])
    return {"probabilities": len(LANGUAGES)}, {}


def _spam(run: spam.SpamRun, experiment: Experiment, folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
    unseen, labels = run.unseen_logits(), run.data.spam
    factor, constant = (float(weight) for weight in weigh(unseen[:, None], labels))
    scores = sigmoid(unseen * factor + constant)

    def head(logits: Any) -> Mapping[str, Any]:
        folds = ops.sigmoid(logits * factor + constant)
        chance = ops.mean(folds, axis=1, keepdims=True)
        return {"probabilities": ops.concatenate([1 - chance, chance], axis=1), "folds": folds}

    write_network(folder, experiment, run.network, head, [(name, name) for name in spam.LABELS])
    threshold = round(best_threshold(scores, labels, PRECISION), 4)
    return {"probabilities": 2, "folds": FOLDS}, {"threshold": threshold}


HEADS: dict[str, Callable[[Any, Experiment, Path], tuple[dict[str, int], dict[str, Any]]]] = {
    "sentiment": _sentiment,
    "language": _language,
    "spam": _spam,
}
