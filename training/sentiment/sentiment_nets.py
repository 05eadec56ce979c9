"""The sentiment network: a linear n-gram model and convolutional networks side by side, and their loss."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from core.texts.prepare import TokenGrams
from training.common.texts.checked_table import CheckedBag
from training.common.texts.text_layers import ConvPool
from training.sentiment.sentiment_plan import SentimentPlan

Ids = NDArray[np.int32]


def build(plan: SentimentPlan, features: TokenGrams, grams: CheckedBag) -> keras.Model:
    """int32 ids [N, L, 1 + orders] to logits [N, 1 + members]: the n-grams' first, then each member's."""
    ids = keras.Input((None, 1 + features.orders), dtype="int32", name="ids")
    logits = [grams(layers.Reshape((-1,))(ids[:, :, 1:]))]
    for at, member in enumerate(plan.members):
        read = ConvPool(features.words, member.dim, member.filters, member.word_drop, mean=True, name=f"member_{at}")
        logits.append(layers.Dense(1)(layers.Dropout(member.drop)(read(ids[:, :, 0]))))
    return keras.Model(ids, layers.Concatenate()(logits) if len(logits) > 1 else logits[0])


def columnwise_cross_entropy(targets: Any, logits: Any) -> Any:
    """Binary cross-entropy of every column by itself, so that members do not learn to rely on one another."""
    losses = ops.softplus(logits) - targets * logits
    return ops.mean(losses)
