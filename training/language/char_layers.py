"""Layers over characters in order: each with the n-grams around it, and a recurrent network that reads both ways.

Keras 3 operations only. Id 0 is padding.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from training.common.texts.text_layers import SMALL, ByteTable, present

MULTIPLIER = 251  # odd; with HASHES and ids below 256 no step exceeds 2^24: exact where integers become float32, too
HASHES = 1 << 16
GRAM_START = 0.02  # the first embeddings of n-grams are in between this and its negative


def gram_ids(ids: Any, order: int, buckets: int) -> Any:
    """Hashed ids of the n-gram around each character, int32 of the form of `ids`.

    Beyond the ends lies padding, so beginnings and ends of a word are seen as such.

    Args:
        ids: int32 [..., L], below 256.
        order: how many characters; the middle one is the character itself, or the one before the middle.
        buckets: a power of two, at most `HASHES`.
    """
    before = (order - 1) // 2
    around = [(0, 0)] * (len(ids.shape) - 1) + [(before, order - 1 - before)]
    padded = ops.pad(ids, around)
    length = ops.shape(ids)[-1]
    found = ops.full_like(ids, order)
    for at in range(order):
        found = ops.bitwise_and(found * MULTIPLIER + padded[..., at : at + length], HASHES - 1)
    return ops.bitwise_and(found, buckets - 1)


class CharReader(layers.Layer):  # type: ignore[misc]
    """Ids [..., L] of characters to vectors [..., L, dim + gram_dim]: of the character, and of the n-grams around it.

    The vectors of n-grams of several orders are added up; they share one table, by hash. Padding is 0.
    """

    def __init__(
        self,
        vocabulary: int,
        dim: int,
        orders: tuple[int, ...] = (),
        buckets: int = HASHES,
        gram_dim: int = 0,
        gram_drop: float = 0.0,
        **options: Any,
    ) -> None:
        """`gram_drop`: share of the n-grams left out in training, so that no word is known by one of them alone."""
        super().__init__(**options)
        self._orders, self._buckets = orders, buckets
        self.embed = layers.Embedding(vocabulary, dim)
        start = keras.initializers.RandomUniform(-GRAM_START, GRAM_START)
        self.grams = layers.Embedding(buckets, gram_dim, embeddings_initializer=start) if orders else None
        self.drop = layers.Dropout(gram_drop)
        self.folded: ByteTable | None = None

    def call(self, ids: Any, training: bool = False) -> Any:
        there = present(ids)
        read = self.embed(ids)
        if self.grams:
            # One look-up for all orders: an exported graph holds the table once for each look-up.
            every = ops.stack([gram_ids(ids, order, self._buckets) for order in self._orders], -1)
            kept = self.drop(ops.ones_like(every, dtype="float32"), training=training)
            vectors = self.folded.take(every) if self.folded else self.grams(every)
            read = ops.concatenate([read, ops.sum(ops.expand_dims(kept, -1) * vectors, -2)], -1)
        return read * there

    def fold(self) -> None:
        """Store the vectors of n-grams in bytes; for export, training is over."""
        if self.grams:
            self.folded = ByteTable(ops.convert_to_numpy(self.grams.embeddings))


class BothWaysGRU(layers.Layer):  # type: ignore[misc]
    """Vectors of characters [N, T, D] to one vector for each word, [N, 4 units].

    A gated recurrent unit (Cho et al., 2014, https://aclanthology.org/D14-1179/) reads forwards, another one backwards.
    The result is where both end, and the largest of what either held on the way. The two take their steps together,
    in one product of matrices, and the steps are unrolled: a loop would be slower in every runtime.
    """

    def __init__(self, units: int, steps: int, drop: float, **options: Any) -> None:
        """`steps`: T; `drop`: share of the state that the next step does not see while training, the same at each."""
        super().__init__(**options)
        self._units, self._steps = units, steps
        self.drop = layers.Dropout(drop, noise_shape=(2, None, units))

    def build(self, read_shape: Any, there_shape: Any) -> None:
        self.project = self.add_weight(shape=(read_shape[-1], 6 * self._units), name="project")
        self.project_bias = self.add_weight(shape=(6 * self._units,), initializer="zeros", name="project_bias")
        self.recur = self.add_weight(shape=(2, self._units, 3 * self._units), initializer=_orthogonal, name="recur")
        self.bias = self.add_weight(shape=(2, 1, self._units), initializer="zeros", name="bias")

    def call(self, read: Any, there: Any, training: bool = False) -> Any:
        """`there`: [N, T, 1], 0 where there is padding, which a state passes unchanged."""
        units = self._units
        projected = ops.matmul(read, self.project) + self.project_bias
        given = _in_order(projected[..., : 3 * units], projected[..., 3 * units :])
        mask = _in_order(there, there)
        state = ops.zeros_like(given[0][..., :units])
        largest = state - 1  # a state is in between -1 and 1
        kept = self.drop(state + 1, training=training)
        for inputs, now in zip(given, mask, strict=True):
            seen = ops.matmul(state * kept, self.recur)
            gates = ops.sigmoid(inputs[..., : 2 * units] + seen[..., : 2 * units])
            new = ops.tanh(inputs[..., 2 * units :] + gates[..., :units] * (seen[..., 2 * units :] + self.bias))
            state = state + now * (1 - gates[..., units:]) * (new - state)
            largest = ops.maximum(largest, state * now - (1 - now))
        return ops.concatenate([state[0], state[1], largest[0], largest[1]], -1)


def _in_order(forwards: Any, backwards: Any) -> list[Any]:
    """What each step takes, [2, N, D]: of a sequence [N, T, D] from its beginning, of another one from its end."""
    both = ops.stack([forwards, ops.flip(backwards, 1)])
    steps: list[Any] = ops.unstack(ops.transpose(both, (2, 0, 1, 3)), axis=0)
    return steps


def _orthogonal(shape: tuple[int, ...], dtype: Any = None) -> Any:
    """An orthogonal matrix for each gate and direction, [directions, units, gates * units]."""
    directions, units, _ = shape
    start = keras.initializers.Orthogonal()
    gates = [[start((units, units), dtype) for _ in range(shape[2] // units)] for _ in range(directions)]
    return ops.stack([ops.concatenate(each, 1) for each in gates])


class WordGRU(layers.Layer):  # type: ignore[misc]
    """Read characters of words [N, words, width, D] to one vector [N, 4 units]: each word both ways, then the mean."""

    def __init__(self, units: int, width: int, drop: float, **options: Any) -> None:
        """As for `BothWaysGRU`; `width` is its steps."""
        super().__init__(**options)
        self._width, self._size = width, 4 * units
        self.read_word = BothWaysGRU(units, width, drop)

    def build(self, read_shape: Any, ids_shape: Any) -> None:
        self.read_word.build((None, self._width, read_shape[-1]), (None, self._width, 1))

    def call(self, read: Any, ids: Any, training: bool = False) -> Any:
        shape = ops.shape(ids)
        there = ops.reshape(present(ids), (-1, self._width, 1))
        vectors = self.read_word(ops.reshape(read, (-1, self._width, read.shape[-1])), there, training=training)
        words = present(ops.max(ids, axis=-1))
        vectors = ops.reshape(vectors, (shape[0], shape[1], self._size))
        return ops.sum(vectors * words, axis=1) / (ops.sum(words, axis=1) + SMALL)
