"""Every number on the cards of the text artefacts, computed from the artefact itself and the data.

A run writes what these functions give into the manifest; `python -m training.evaluate` calls them again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Metric
from core.texts.prepare import strip_accents
from training.common.calibration import best_threshold, calibration_error, proportion
from training.common.datasets.labelled_texts import Example, read_reviews, read_tagged
from training.common.texts.offline_classifier import Judge
from training.language.language_data import LANGUAGES, load_language
from training.sentiment import sentiment_run as sentiment
from training.spam import spam_run as spam

Measure = Callable[[Path, Path], list[Metric]]
PRECISION = 0.99  # what the spam filter is asked for
FOLDS = 5
FEWEST_WORDS = 5
OTHER_DOMAIN = "sentences_other.tsv"  # made by training.language.other_domain; not shipped


def reviews_path(data: Path) -> Path:
    """Where the reviews are below the data folder: aclImdb/ if it is there, else the JSON lines."""
    folder = data / "aclImdb"
    return folder if folder.is_dir() else data / "imdb_reviews.jsonl.gz"


def measure_sentiment(folder: Path, data: Path) -> list[Metric]:
    """Accuracy and calibration on the official test split."""
    test = [example for example in read_reviews(reviews_path(data)) if example.split == "test"]
    probabilities = Judge(folder).probabilities([example.text for example in test])
    right = _right(probabilities, test, sentiment.LABELS)
    source = f"measured: {len(test)} reviews of the official IMDB test split"
    error = calibration_error(probabilities.max(axis=1), right)
    return [
        proportion("imdb_test_accuracy", int(right.sum()), len(right), source),
        Metric(name="imdb_test_calibration_error", value=round(error, 4), source=source),
    ]


def measure_language(folder: Path, data: Path) -> list[Metric]:
    """Accuracy on unseen words, with accents and without, and on sentences of other domains."""
    judge = Judge(folder)
    words = load_language(data).test
    bare = [Example(strip_accents(example.text), example.label) for example in words]
    source = "measured: words of one list only, none of whose spellings was seen in training"
    found = [
        _accuracy(judge, "word_accuracy", words, source),
        _accuracy(judge, "word_accuracy_without_accents", bare, source),
        _accuracy(judge, "declaration_accuracy", declaration(), "measured: sentences of a declaration of rights"),
    ]
    if (data / OTHER_DOMAIN).exists():
        game = long_enough(read_tagged(data / OTHER_DOMAIN))
        found.append(_accuracy(judge, "game_accuracy", game, "measured: sentences of a game's texts"))
    return found


def declaration() -> list[Example]:
    """Sentences of five words and more of the Universal Declaration of Human Rights, shipped beside this file."""
    with files("training.language").joinpath("declaration.tsv").open(encoding="utf-8") as file:
        rows = (line.rstrip("\n").partition("\t") for line in file)
        return long_enough(Example(text, label) for label, _, text in rows)


def long_enough(examples: Iterable[Example]) -> list[Example]:
    """Those of five words and more."""
    return [example for example in examples if len(example.text.split()) >= FEWEST_WORDS]


def measure_spam(folder: Path, data: Path) -> list[Metric]:
    """Five-fold scores: every message is judged by the model that never saw its fold."""
    messages = spam.load_spam(data / "sms_spam.tsv", FOLDS)
    scores = unseen_scores(folder, messages)
    said = nested_decisions(scores, messages.spam, messages.folds)
    right, source = said == messages.spam, "measured: five-fold, each message by the model that has not seen it"
    confidence = np.maximum(scores, 1 - scores)
    error = calibration_error(confidence, (scores >= 0.5) == messages.spam)
    nested = source + f"; each fold's threshold is the other folds' for a precision of {PRECISION}"
    return [
        proportion("sms_accuracy", int(((scores >= 0.5) == messages.spam).sum()), len(right), source),
        proportion("sms_precision_at_threshold", int(messages.spam[said].sum()), int(said.sum()), nested),
        proportion("sms_recall_at_threshold", int(said[messages.spam].sum()), int(messages.spam.sum()), nested),
        _recall_at_precision(scores, messages.spam, source),
        Metric(name="sms_calibration_error", value=round(error, 4), source=source),
    ]


def unseen_scores(folder: Path, messages: spam.SpamData) -> NDArray[np.float32]:
    """Score of spam of each message by the model that has not seen its fold, [messages]."""
    columns = Judge(folder, "folds").judge([message.text for message in messages.messages])[0]
    return np.asarray(spam.own_fold(columns, messages.folds), np.float32)


def nested_decisions(
    scores: NDArray[np.float32], positive: NDArray[np.bool_], folds: NDArray[np.int_]
) -> NDArray[np.bool_]:
    """What is called spam when each fold's threshold comes from the others."""
    said = np.zeros(len(scores), bool)
    for fold in np.unique(folds):
        own = folds == fold
        said[own] = scores[own] >= best_threshold(scores[~own], positive[~own], PRECISION)
    return said


def _recall_at_precision(scores: NDArray[np.float32], positive: NDArray[np.bool_], source: str) -> Metric:
    said = scores >= best_threshold(scores, positive, PRECISION)
    source = f"{source}; the threshold is the best one in hindsight"
    return proportion("sms_recall_at_99_precision", int(said[positive].sum()), int(positive.sum()), source)


def _right(probabilities: NDArray[np.float32], examples: Sequence[Example], labels: Sequence[str]) -> NDArray[np.bool_]:
    wanted = np.array([labels.index(example.label) for example in examples])
    right: NDArray[np.bool_] = probabilities.argmax(axis=1) == wanted
    return right


def _accuracy(judge: Judge, name: str, examples: Sequence[Example], source: str) -> Metric:
    right = _right(judge.probabilities([example.text for example in examples]), examples, LANGUAGES)
    return proportion(name, int(right.sum()), len(right), f"{source} ({len(right)})")


MEASURES: dict[str, Measure] = {
    "sentiment": measure_sentiment,
    "language": measure_language,
    "spam": measure_spam,
}
