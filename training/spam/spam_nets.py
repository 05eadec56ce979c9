"""The spam networks: a linear model over n-grams for each fold, side by side, and their loss."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.common.texts.text_layers import Bag
from training.spam.spam_data import SpamData
from training.spam.spam_plan import SpamPlan


def build(plan: SpamPlan, scale: NDArray[np.float32]) -> keras.Model:
    """int32 ids [N, L] to logits [N, folds]; column k is the model that has not seen fold k."""
    ids = keras.Input((None,), dtype="int32", name="ids")
    return keras.Model(ids, Bag(scale, plan.folds, name="folds")(ids))


def masked_squared_hinge(targets: Any, logits: Any) -> Any:
    """Squared hinge loss of each column over the examples that it may see.

    Args:
        targets: [N, 2, folds]: the label, and the weight, which is 0 in the column of the message's own fold.
        logits: [N, folds].
    """
    labels, weights = targets[:, 0], targets[:, 1]
    return ops.mean(weights * ops.square(ops.relu(1 - (2 * labels - 1) * logits)))


def fold_targets(data: SpamData, plan: SpamPlan) -> NDArray[np.float32]:
    """Labels and weights, float32 [messages, 2, folds]."""
    spam = data.spam.astype(np.float32)
    targets = np.zeros((len(spam), 2, plan.folds), np.float32)
    targets[:, 0] = spam[:, None]
    targets[:, 1] = np.where(spam, plan.spam_weight, 1.0)[:, None]
    targets[np.arange(len(spam)), 1, data.folds] = 0
    return targets
