"""From a trained sentiment network to its artefact."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from training.common.experiment import Experiment
from training.common.texts.classifier_package import Head, package_classifier, quantise
from training.sentiment.sentiment_data import LABELS
from training.sentiment.sentiment_measure import measure_sentiment
from training.sentiment.sentiment_plan import SentimentPlan
from training.sentiment.sentiment_run import SentimentRun

LICENCE = "weights: see the card; learnt from a research data set"
SOURCE = "Large Movie Review Dataset (Maas 2011)"


def package_sentiment(run: SentimentRun, experiment: Experiment[SentimentPlan], folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained; the test split in `data` is read here and nowhere before."""
    quantise(run.network)
    *weights, constant = (float(weight) for weight in run.member_weights())
    column = np.array(weights, np.float32)[:, None]

    def call(logits: Any) -> Mapping[str, Any]:
        positive = ops.sigmoid(ops.matmul(logits, column) + constant)
        return {"probabilities": ops.concatenate([1 - positive, positive], axis=1)}

    fields = {"threshold": 0.5, "licence": LICENCE, "source": SOURCE}
    head = Head(call, {"probabilities": 2}, [(name[:3], name) for name in LABELS], fields)
    package_classifier(folder, experiment, run.network, head, lambda: measure_sentiment(folder, data))
