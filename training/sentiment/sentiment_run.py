"""Train a judge of reviews: a linear n-gram model and convolutional networks, side by side, weighed on validation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from core.texts.prepare import TokenGrams, pad_batch, prepare_text
from training.common.calibration import Floats, weigh
from training.common.datasets.labelled_texts import Example, read_reviews, without_duplicates
from training.common.experiment import Experiment, SentimentPlan
from training.common.fit import Batch, Fitting, linear_decay
from training.common.texts.batches import count, shuffled
from training.common.texts.text_layers import Bag, ConvPool

LABELS = ("negative", "positive")
AT_ONCE = 64
GAIN = 20.0  # n-gram weights are trained in this unit, so that Adam's steps suit them and the convolutions alike
Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class SentimentData:
    """Reviews; none of the test reviews is among the others, and none is there twice but in the test split."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]


def load_sentiment(path: Path, validation: float, seed: int) -> SentimentData:
    """Reviews with the official split; a share of the training split is set aside.

    Args:
        path: aclImdb folder or JSON lines.
        validation: share of the training reviews.
        seed: decides which.
    """
    examples = list(read_reviews(path))
    test = [example for example in examples if example.split == "test"]
    seen: set[str] = set()
    without_duplicates(test, seen)
    train = without_duplicates((example for example in examples if example.split == "train"), seen)
    order = np.random.default_rng(seed).permutation(len(train))
    cut = round(len(train) * validation)
    return SentimentData(tuple(train[at] for at in order[cut:]), tuple(train[at] for at in order[:cut]), tuple(test))


def build(plan: SentimentPlan, features: TokenGrams, scale: NDArray[np.float32]) -> keras.Model:
    """int32 ids [N, L, 1 + orders] to logits [N, 1 + members]: the n-grams' first, then each member's."""
    ids = keras.Input((None, 1 + features.orders), dtype="int32", name="ids")
    grams = layers.Reshape((-1,))(ids[:, :, 1:])
    logits = [Bag(scale, 1, start=plan.start / GAIN, drop=plan.gram_drop, name="grams")(grams)]
    for at, member in enumerate(plan.members):
        read = ConvPool(features.words, member.dim, member.filters, member.word_drop, mean=True, name=f"member_{at}")
        logits.append(layers.Dense(1)(layers.Dropout(member.drop)(read(ids[:, :, 0]))))
    return keras.Model(ids, layers.Concatenate()(logits) if len(logits) > 1 else logits[0])


def each_alone(targets: Any, logits: Any) -> Any:
    """Binary cross-entropy of every column by itself: members do not rely on one another, so they err apart."""
    losses = ops.softplus(logits) - targets * logits
    return ops.mean(losses)


def log_count_ratio(items: Sequence[Ids], positive: NDArray[np.bool_], buckets: int, least: int) -> Floats:
    """How much more often an n-gram is in positive reviews than in negative ones, as a logarithm.

    Args:
        items: ids of the reviews.
        positive: bool [len(items)].
        buckets: of the n-grams.
        least: n-grams in fewer reviews get 0.

    Returns:
        float32 [buckets].
    """
    counts = np.zeros((2, buckets))
    for sign in (0, 1):
        found = [item[:, 1:].ravel() for item, good in zip(items, positive, strict=True) if good == bool(sign)]
        counts[sign] = np.bincount(np.concatenate(found), minlength=buckets)
    shares = (counts + 1) / (counts + 1).sum(axis=1, keepdims=True)
    ratio = np.log(shares[1] / shares[0])
    ratio[counts.sum(axis=0) < least] = 0
    ratio[0] = 0
    result: Floats = ratio.astype(np.float32)
    return result


class SentimentRun:
    """One training: reviews as ids, the network, and what `fit` needs."""

    def __init__(self, experiment: Experiment, data: SentimentData) -> None:
        features, plan = experiment.text.features, experiment.plan
        assert isinstance(plan, SentimentPlan)
        assert isinstance(features, TokenGrams)
        self._experiment = experiment
        self._train, self._right = self._encode(data.train)
        self._validation, self._validation_right = self._encode(data.validation)
        ratio = log_count_ratio(self._train, self._right, features.buckets, plan.least_count)
        keras.utils.set_random_seed(experiment.seed)
        self.network = build(plan, features, (GAIN * ratio).astype(np.float32))
        schedule = experiment.schedule
        rate = linear_decay(schedule.learning_rate, self._steps() * schedule.epochs)
        self.network.compile(keras.optimizers.Adam(rate), each_alone)

    def fitting(self) -> Fitting:
        schedule = self._experiment.schedule
        return Fitting(
            self.network, self._batches, self._steps(), schedule.epochs, self._measure, self._experiment.seed
        )

    def weights(self) -> Floats:
        """How much each member counts, and a constant, from the validation reviews: float64 [members + 1]."""
        return weigh(self._logits(), self._validation_right)

    def _steps(self) -> int:
        return count(len(self._train), self._experiment.schedule.batch_size)

    def _encode(self, examples: Sequence[Example]) -> tuple[list[Ids], NDArray[np.bool_]]:
        items = [prepare_text(example.text, self._experiment.text).ids for example in examples]
        return items, np.array([example.label == LABELS[1] for example in examples])

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        targets = self._right.astype(np.float32)[:, None]
        yield from shuffled(self._train, targets, self._experiment.schedule.batch_size, random)

    def _measure(self) -> dict[str, float]:
        logits, right = self._logits(), self._validation_right
        weights = weigh(logits, right)
        columns = [*logits.T, logits @ weights[:-1] + weights[-1]]
        names = ["grams", *(f"member_{at}" for at in range(logits.shape[1] - 1)), "together"]
        return {name: float(((column > 0) == right).mean()) for name, column in zip(names, columns, strict=True)}

    def _logits(self) -> Floats:
        order = sorted(range(len(self._validation)), key=lambda at: len(self._validation[at]))
        logits = np.zeros((len(order), self.network.output_shape[-1]))
        for at in range(0, len(order), AT_ONCE):
            chosen = order[at : at + AT_ONCE]
            batch = pad_batch([self._validation[index] for index in chosen])
            logits[chosen] = ops.convert_to_numpy(self.network(batch, training=False))
        return logits
