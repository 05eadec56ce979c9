"""Train a spam filter for short messages: one linear model a fold, each of which has never seen its fold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.texts.prepare import CharGrams, normalise, pad_batch, prepare_text
from training.common.calibration import Floats
from training.common.datasets.labelled_texts import Example, read_tagged, without_duplicates
from training.common.experiment import Experiment, SpamPlan
from training.common.fit import Batch, Fitting, linear_decay
from training.common.texts.batches import count, shuffled
from training.common.texts.text_layers import Bag

LABELS = ("ham", "spam")
AT_ONCE = 200
GAIN = 1.0
Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SpamData:
    """Messages without duplicates, and the fold of each: int [messages]."""

    messages: tuple[Example, ...]
    folds: NDArray[np.int_]

    @property
    def spam(self) -> NDArray[np.bool_]:
        """bool [messages]."""
        return np.array([message.label == LABELS[1] for message in self.messages])


def load_spam(path: Path, folds: int) -> SpamData:
    """Read messages, drop those that are equal when normalised, and deal them to folds by a hash of their text."""
    messages = without_duplicates(read_tagged(path))
    places = [crc32(normalise(message.text).encode("utf-8", "surrogatepass")) % folds for message in messages]
    return SpamData(tuple(messages), np.array(places))


def build(plan: SpamPlan, scale: NDArray[np.float32]) -> keras.Model:
    """int32 ids [N, L] to logits [N, folds]; column k is the model that has not seen fold k."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    return keras.Model(ids, Bag(scale, plan.folds, name="folds")(ids))


def where_allowed(targets: Any, logits: Any) -> Any:
    """Squared hinge loss of each column, but not where a column must not look.

    Args:
        targets: [N, 2, folds]: the label, and the weight, which is 0 in the column of the message's own fold.
        logits: [N, folds].
    """
    labels, weights = targets[:, 0], targets[:, 1]
    return ops.mean(weights * ops.square(ops.relu(1 - (2 * labels - 1) * logits)))


class SpamRun:
    """One training of all folds' models at once, and what `fit` needs."""

    def __init__(self, experiment: Experiment, data: SpamData) -> None:
        features, plan = experiment.text.features, experiment.plan
        assert isinstance(plan, SpamPlan)
        assert isinstance(features, CharGrams)
        self._experiment, self.data = experiment, data
        self._items = [prepare_text(message.text, experiment.text).ids for message in data.messages]
        self._targets = _targets(data, plan)
        keras.utils.set_random_seed(experiment.seed)
        self.network = build(plan, _scale(self._items, features.buckets))
        schedule = experiment.schedule
        rate = linear_decay(schedule.learning_rate, self._steps() * schedule.epochs)
        self.network.compile(
            keras.optimizers.SGD(rate, momentum=0.9, weight_decay=plan.weight_decay or None), where_allowed
        )

    def fitting(self) -> Fitting:
        schedule = self._experiment.schedule
        return Fitting(
            self.network, self._batches, self._steps(), schedule.epochs, self._measure, self._experiment.seed
        )

    def unseen_logits(self) -> Floats:
        """Each message's logit by the model that has not seen it, [messages]."""
        found = [
            ops.convert_to_numpy(self.network(pad_batch(self._items[at : at + AT_ONCE]), training=False))
            for at in range(0, len(self._items), AT_ONCE)
        ]
        return own_fold(np.concatenate(found), self.data.folds)

    def _steps(self) -> int:
        return count(len(self._items), self._experiment.schedule.batch_size)

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        yield from shuffled(self._items, self._targets, self._experiment.schedule.batch_size, random)

    def _measure(self) -> dict[str, float]:
        said, spam = self.unseen_logits() > 0, self.data.spam
        return {
            "accuracy": float((said == spam).mean()),
            "precision": float(spam[said].mean()) if said.any() else 0.0,
            "recall": float(said[spam].mean()),
        }


def own_fold(columns: Floats, folds: NDArray[np.int_]) -> Floats:
    """From [N, folds] the value of each row's own fold, [N]."""
    chosen: Floats = columns[np.arange(len(folds)), folds]
    return chosen


def _targets(data: SpamData, plan: SpamPlan) -> NDArray[np.float32]:
    """Labels and weights, float32 [messages, 2, folds]."""
    spam = data.spam.astype(np.float32)
    targets = np.zeros((len(spam), 2, plan.folds), np.float32)
    targets[:, 0] = spam[:, None]
    targets[:, 1] = np.where(spam, plan.spam_weight, 1.0)[:, None]
    targets[np.arange(len(spam)), 1, data.folds] = 0
    return targets


def _scale(items: Sequence[Ids], buckets: int) -> NDArray[np.float32]:
    """Inverse document frequency, 1 for an n-gram that nobody used. It knows no labels, so it may see all messages."""
    seen = np.bincount(np.concatenate(list(items)), minlength=buckets)
    found: NDArray[np.float32] = (np.log((1 + len(items)) / (1 + seen)) / np.log(1 + len(items))).astype(np.float32)
    return found
