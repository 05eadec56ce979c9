"""A training run on short messages: one linear model a fold, each of which never sees its fold."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
from keras import ops

from core.texts.prepare import CharGrams, pad_batch, prepare_text
from training.common.calibration import Floats
from training.common.experiment import Experiment
from training.common.fit import Batch, Fitting
from training.common.learning_rates import linear_decay
from training.common.texts.batches import count, shuffled
from training.common.texts.inverse_document_frequency import inverse_document_frequency
from training.spam.spam_data import SpamData, own_fold
from training.spam.spam_nets import build, fold_targets, masked_squared_hinge
from training.spam.spam_plan import SpamPlan

AT_ONCE = 200


class SpamRun:
    """One training of all folds' models at once, and what `fit` needs.

    Attributes:
        data: the messages.
    """

    def __init__(self, experiment: Experiment[SpamPlan], data: SpamData) -> None:
        features, plan = experiment.text.features, experiment.plan
        assert isinstance(features, CharGrams)
        self._experiment, self.data = experiment, data
        self._items = [prepare_text(message.text, experiment.text).ids for message in data.messages]
        self._targets = fold_targets(data, plan)
        keras.utils.set_random_seed(experiment.seed)
        # It knows no labels, so it may be computed from all messages, those of a model's own fold too.
        self.network = build(plan, inverse_document_frequency(self._items, features.buckets))
        schedule = experiment.schedule
        rate = linear_decay(schedule.learning_rate, self._steps() * schedule.epochs)
        # None, unlike 0, spares a pass over the table in each step.
        optimizer = keras.optimizers.SGD(rate, momentum=0.9, weight_decay=plan.weight_decay or None)
        self.network.compile(optimizer, masked_squared_hinge)

    def fitting(self) -> Fitting:
        """What `training.common.fit` runs."""
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
        called, spam = self.unseen_logits() > 0, self.data.spam
        return {
            "accuracy": float((called == spam).mean()),
            "precision": float(spam[called].mean()) if called.any() else 0.0,
            "recall": float(called[spam].mean()),
        }
