"""The sentiment network: a linear n-gram model and convolutional networks side by side, and their loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from core.texts.prepare import TokenGrams
from training.common.calibration import Floats
from training.common.texts.text_layers import Bag, ConvPool
from training.sentiment.sentiment_plan import SentimentPlan

GAIN = 20.0  # n-gram weights are trained in this unit, so that Adam's steps suit them and the convolutions alike
Ids = NDArray[np.int32]


def build(plan: SentimentPlan, features: TokenGrams, scale: NDArray[np.float32]) -> keras.Model:
    """int32 ids [N, L, 1 + orders] to logits [N, 1 + members]: the n-grams' first, then each member's."""
    ids = keras.Input((None, 1 + features.orders), dtype="int32", name="ids")
    grams = layers.Reshape((-1,))(ids[:, :, 1:])
    logits = [Bag(scale, 1, start=plan.start / GAIN, drop=plan.gram_drop, name="grams")(grams)]
    for at, member in enumerate(plan.members):
        read = ConvPool(features.words, member.dim, member.filters, member.word_drop, mean=True, name=f"member_{at}")
        logits.append(layers.Dense(1)(layers.Dropout(member.drop)(read(ids[:, :, 0]))))
    return keras.Model(ids, layers.Concatenate()(logits) if len(logits) > 1 else logits[0])


def columnwise_cross_entropy(targets: Any, logits: Any) -> Any:
    """Binary cross-entropy of every column by itself, so that members do not learn to rely on one another."""
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
