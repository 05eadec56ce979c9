"""From trained spam networks to their artefact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras import ops

from training.common.calibration import best_threshold, logistic_regression, sigmoid
from training.common.experiment import Experiment
from training.common.texts.classifier_package import Head, package_classifier, quantise
from training.spam.spam_data import LABELS
from training.spam.spam_measure import PRECISION, measure_spam
from training.spam.spam_plan import SpamPlan
from training.spam.spam_run import SpamRun

LICENCE = "weights: see the card; learnt from a research data set"
SOURCE = "SMS Spam Collection v.1 (Almeida 2011)"


def package_spam(run: SpamRun, experiment: Experiment[SpamPlan], folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained: the mean of the folds' models, and each of them."""
    quantise(run.network)
    unseen, spam, folds = run.unseen_logits(), run.data.spam, experiment.plan.folds
    factor, constant = (float(weight) for weight in logistic_regression(unseen[:, None], spam))
    threshold = best_threshold(sigmoid(unseen * factor + constant), spam, PRECISION)

    def call(logits: Any) -> Mapping[str, Any]:
        each = ops.sigmoid(logits * factor + constant)
        mean = ops.mean(each, axis=1, keepdims=True)
        return {"probabilities": ops.concatenate([1 - mean, mean], axis=1), "folds": each}

    fields = {"threshold": round(threshold, 4), "licence": LICENCE, "source": SOURCE}
    head = Head(call, {"probabilities": 2, "folds": folds}, [(name, name) for name in LABELS], fields)
    package_classifier(folder, experiment, run.network, head, lambda: measure_spam(folder, data))
