"""A training run on reviews: n-grams solved, convolutional networks trained, both weighed on validation reviews."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.texts.prepare import TokenGrams, pad_batch, prepare_text
from training.common.calibration import Floats, logistic_regression
from training.common.datasets.labelled_texts import Example
from training.common.experiment import Experiment
from training.common.fit import Batch, Fitting
from training.common.learning_rates import linear_decay
from training.common.texts.batches import count, shuffled
from training.sentiment.sentiment_data import LABELS, SentimentData
from training.sentiment.sentiment_grams import linear_grams
from training.sentiment.sentiment_nets import Ids, build, columnwise_cross_entropy
from training.sentiment.sentiment_plan import SentimentPlan

AT_ONCE = 64


class SentimentRun:
    """One training: reviews as ids, the network, and what `fit` needs."""

    def __init__(self, experiment: Experiment[SentimentPlan], data: SentimentData) -> None:
        features, plan = experiment.text.features, experiment.plan
        assert isinstance(features, TokenGrams)
        self._experiment = experiment
        self._train, self._positive = self._encode(data.train)
        self._validation, self._validation_positive = self._encode(data.validation)
        grams = linear_grams(self._train, self._positive, plan.grams)
        keras.utils.set_random_seed(experiment.seed)
        self.network = build(plan, features, grams)
        schedule = experiment.schedule
        rate = linear_decay(schedule.learning_rate, self._steps() * schedule.epochs)
        self.network.compile(keras.optimizers.Adam(rate), columnwise_cross_entropy)

    def fitting(self) -> Fitting:
        """What `training.common.fit` runs."""
        schedule = self._experiment.schedule
        return Fitting(
            self.network, self._batches, self._steps(), schedule.epochs, self._measure, self._experiment.seed
        )

    def member_weights(self) -> Floats:
        """How much each member counts, and a constant, from the validation reviews: float64 [members + 1]."""
        return logistic_regression(self._logits(), self._validation_positive)

    def _steps(self) -> int:
        return count(len(self._train), self._experiment.schedule.batch_size)

    def _encode(self, examples: Sequence[Example]) -> tuple[list[Ids], NDArray[np.bool_]]:
        items = [prepare_text(example.text, self._experiment.text).ids for example in examples]
        return items, np.array([example.label == LABELS[1] for example in examples])

    def _batches(self, random: np.random.Generator) -> Iterator[Batch]:
        targets = self._positive.astype(np.float32)[:, None]
        yield from shuffled(self._train, targets, self._experiment.schedule.batch_size, random)

    def _measure(self) -> dict[str, float]:
        """Accuracy on the validation reviews of every member, and of all together."""
        logits, positive = self._logits(), self._validation_positive
        weights = logistic_regression(logits, positive)
        columns = [*logits.T, logits @ weights[:-1] + weights[-1]]
        names = ["grams", *(f"member_{at}" for at in range(logits.shape[1] - 1)), "together"]
        return {name: float(((column > 0) == positive).mean()) for name, column in zip(names, columns, strict=True)}

    def _logits(self) -> Floats:
        """Of the validation reviews, [reviews, members]."""
        order = sorted(range(len(self._validation)), key=lambda at: len(self._validation[at]))
        logits = np.zeros((len(order), self.network.output_shape[-1]))
        for at in range(0, len(order), AT_ONCE):
            chosen = order[at : at + AT_ONCE]
            batch = pad_batch([self._validation[index] for index in chosen])
            logits[chosen] = ops.convert_to_numpy(self.network(batch, training=False))
        return logits
