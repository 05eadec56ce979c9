"""Every number on the card of a sentiment artefact, computed from the artefact itself and the reviews."""

from __future__ import annotations

from pathlib import Path

from core.artefacts.manifest import Metric
from training.common.calibration import calibration_error
from training.common.intervals import proportion
from training.common.texts.offline_classifier import OfflineTextClassifier, first_is_right
from training.sentiment.sentiment_data import LABELS, read_reviews, reviews_path


def measure_sentiment(folder: Path, data: Path) -> list[Metric]:
    """Accuracy and calibration on the official test split."""
    test = [example for example in read_reviews(reviews_path(data)) if example.split == "test"]
    probabilities = OfflineTextClassifier(folder).probabilities([example.text for example in test])
    right = first_is_right(probabilities, test, LABELS)
    source = f"measured: {len(test)} reviews of the official IMDB test split"
    error = calibration_error(probabilities.max(axis=1), right)
    return [
        proportion("imdb_test_accuracy", int(right.sum()), len(right), source),
        Metric(name="imdb_test_calibration_error", value=round(error, 4), source=source),
    ]
