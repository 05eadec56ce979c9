"""Every number on the card of a spam artefact, computed from the artefact itself and the messages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Metric
from training.common.calibration import best_threshold, calibration_error
from training.common.intervals import proportion
from training.common.texts.offline_classifier import OfflineTextClassifier
from training.spam.spam_data import SpamData, load_spam, messages_path, own_fold

PRECISION = 0.99  # what the threshold has to reach


def measure_spam(folder: Path, data: Path) -> list[Metric]:
    """Cross-validated scores: every message is judged by the model that has not seen its fold."""
    classifier = OfflineTextClassifier(folder, "folds")
    folds = classifier.manifest.outputs["folds"].shape[-1]
    assert folds is not None
    messages = load_spam(messages_path(data), folds)
    scores = unseen_scores(classifier, messages)
    called = nested_decisions(scores, messages.spam, messages.folds)
    right, source = called == messages.spam, "measured: five-fold, each message by the model that has not seen it"
    confidence = np.maximum(scores, 1 - scores)
    error = calibration_error(confidence, (scores >= 0.5) == messages.spam)
    nested = source + f"; each fold's threshold is the other folds' for a precision of {PRECISION}"
    return [
        proportion("sms_accuracy", int(((scores >= 0.5) == messages.spam).sum()), len(right), source),
        proportion("sms_precision_at_threshold", int(messages.spam[called].sum()), int(called.sum()), nested),
        proportion("sms_recall_at_threshold", int(called[messages.spam].sum()), int(messages.spam.sum()), nested),
        _recall_at_precision(scores, messages.spam, source),
        Metric(name="sms_calibration_error", value=round(error, 4), source=source),
    ]


def unseen_scores(classifier: OfflineTextClassifier, messages: SpamData) -> NDArray[np.float32]:
    """Score of spam of each message by the model that has not seen its fold, [messages]."""
    columns = classifier.outputs([message.text for message in messages.messages])[0]
    return np.asarray(own_fold(columns, messages.folds), np.float32)


def nested_decisions(
    scores: NDArray[np.float32], spam: NDArray[np.bool_], folds: NDArray[np.int_]
) -> NDArray[np.bool_]:
    """What is called spam when each fold's threshold comes from the others, bool [messages]."""
    called = np.zeros(len(scores), bool)
    for fold in np.unique(folds):
        own = folds == fold
        called[own] = scores[own] >= best_threshold(scores[~own], spam[~own], PRECISION)
    return called


def _recall_at_precision(scores: NDArray[np.float32], spam: NDArray[np.bool_], source: str) -> Metric:
    called = scores >= best_threshold(scores, spam, PRECISION)
    source = f"{source}; the threshold is the best one in hindsight"
    return proportion("sms_recall_at_99_precision", int(called[spam].sum()), int(spam.sum()), source)
