"""The language networks, over n-grams of characters, characters in order, or characters of each word."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

from core.texts.prepare import Chars, TextSpec, WordChars
from training.common.texts.text_layers import Bag, Convolutions, present
from training.language.char_layers import CharReader, WordGRU
from training.language.language_data import LANGUAGES
from training.language.language_plan import Convolutional, FeedForward, LanguagePlan, Recurrent


class Present(layers.Layer):  # type: ignore[misc]
    """1 where there is an id and 0 where there is padding, [..., 1]."""

    def call(self, ids: Any) -> Any:
        return present(ids)


class RehashIds(layers.Layer):  # type: ignore[misc]
    """Hashed ids to ids of fewer buckets, for a table that is smaller than the one they were made for. 0 stays 0."""

    def __init__(self, buckets: int, **options: Any) -> None:
        super().__init__(**options)
        self.buckets = buckets

    def call(self, ids: Any) -> Any:
        return ops.where(ids > 0, ops.mod(ids - 1, self.buckets - 1) + 1, 0)


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
        vector = layers.Dropout(net.drop)(_read(net, spec, ids))
        vector = layers.Dropout(net.drop)(layers.Dense(net.hidden, activation="relu")(vector))
        logits = layers.Dense(len(LANGUAGES))(vector)
    return keras.Model(ids, logits)


def _read(net: Convolutional | Recurrent, spec: TextSpec, ids: Any) -> Any:
    """A vector of each text from its characters."""
    features, grams = spec.features, net.grams
    assert isinstance(features, Chars | WordChars)
    vocabulary = len(features.alphabet) + 2
    reader = CharReader(vocabulary, net.dim, grams.orders, grams.buckets, grams.dim, grams.drop, name="reader")
    read = reader(ids)
    if isinstance(net, Convolutional):
        return Convolutions(net.filters, mean=True)(read, Present()(ids))
    assert isinstance(features, WordChars)
    return WordGRU(net.units, features.width, net.state_drop)(read, ids)


def soft_cross_entropy(targets: Any, logits: Any) -> Any:
    """Cross-entropy with shares for targets; a row's sum is its weight."""
    return -ops.mean(ops.sum(targets * ops.log_softmax(logits), axis=-1))
