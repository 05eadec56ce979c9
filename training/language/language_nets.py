"""The language networks, over n-grams of characters, characters in order, or characters of each word."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from core.texts.prepare import CharGrams, TextSpec, WordChars
from training.common.texts.text_layers import SMALL, Bag, ConvPool, present
from training.language.language_data import LANGUAGES
from training.language.language_plan import Convolutional, FeedForward, LanguagePlan, Recurrent


class RehashIds(layers.Layer):  # type: ignore[misc]
    """Hashed ids to ids of fewer buckets, for a table that is smaller than the one they were made for. 0 stays 0."""

    def __init__(self, buckets: int, **options: Any) -> None:
        super().__init__(**options)
        self.buckets = buckets

    def call(self, ids: Any) -> Any:
        return ops.where(ids > 0, ops.mod(ids - 1, self.buckets - 1) + 1, 0)


class WordGRU(layers.Layer):  # type: ignore[misc]
    """Characters of words [N, words, width] to one vector: a GRU reads each word both ways; words are averaged.

    The steps are unrolled: a word has at most `width` of them, and a loop would be slower in every runtime.
    """

    def __init__(self, vocabulary: int, dim: int, units: int, width: int, drop: float, **options: Any) -> None:
        super().__init__(**options)
        self.embed = layers.Embedding(vocabulary, dim)
        self.forward = layers.GRU(units, unroll=True)
        self.backward = layers.GRU(units, unroll=True, go_backwards=True)
        self.drop = layers.Dropout(drop)
        self.width = width
        self.units = units

    def call(self, ids: Any, training: bool = False) -> Any:
        shape = ops.shape(ids)
        words = ops.reshape(ids, (-1, self.width))
        mask = ops.not_equal(words, 0)
        embedded = self.drop(self.embed(words), training=training)
        read = [net(embedded, mask=mask, training=training) for net in (self.forward, self.backward)]
        vectors = ops.reshape(ops.concatenate(read, axis=-1), (shape[0], shape[1], 2 * self.units))
        there = present(ops.max(ids, axis=-1))
        return ops.sum(vectors * there, axis=1) / (ops.sum(there, axis=1) + SMALL)


def build(plan: LanguagePlan, spec: TextSpec, scale: NDArray[np.float32]) -> keras.Model:
    """The network of a plan: int32 ids to logits [N, 3].

    Args:
        plan: which network.
        spec: what the ids are.
        scale: float32 [buckets], how much each n-gram says; used by the feed-forward network.
    """
    net = plan.net
    width = (spec.features.width,) if isinstance(spec.features, WordChars) else ()
    ids = keras.Input((None, *width), dtype="int32", name="ids")
    if isinstance(net, FeedForward):
        wide = Bag(scale, len(LANGUAGES), drop=net.gram_drop, name="wide")(ids)
        rehashed = RehashIds(net.deep_buckets)(ids)
        deep_scale = np.ones(net.deep_buckets, np.float32)
        hidden = Bag(deep_scale, net.dim, start=None, drop=net.gram_drop, name="deep")(rehashed)
        hidden = layers.Dropout(net.drop)(layers.Dense(net.hidden, activation="relu")(hidden))
        logits = wide + layers.Dense(len(LANGUAGES), name="from_deep")(hidden)
    else:
        vector = _characters(net, spec)(ids)
        if isinstance(net, Convolutional):
            vector = layers.Dropout(net.drop)(vector)
            vector = layers.Dense(net.hidden, activation="relu")(vector)
        logits = layers.Dense(len(LANGUAGES))(layers.Dropout(net.drop)(vector))
    return keras.Model(ids, logits)


def _characters(net: Convolutional | Recurrent, spec: TextSpec) -> layers.Layer:
    assert not isinstance(spec.features, CharGrams)
    vocabulary = len(getattr(spec.features, "alphabet", "")) + 2
    if isinstance(net, Convolutional):
        return ConvPool(vocabulary, net.dim, net.filters, drop=0.0, mean=False)
    assert isinstance(spec.features, WordChars)
    return WordGRU(vocabulary, net.dim, net.units, spec.features.width, drop=0.0)


def soft_cross_entropy(targets: Any, logits: Any) -> Any:
    """Cross-entropy with shares for targets; a row's sum is its weight."""
    return -ops.mean(ops.sum(targets * ops.log_softmax(logits), axis=-1))
