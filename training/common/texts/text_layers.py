"""Layers over ids of words or n-grams, in Keras 3 operations only. 0 is padding: sums and maxima leave it out."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import keras
import numpy as np
from keras import layers, ops
from numpy.typing import NDArray

SMALL = 1e-6
LARGEST_BYTE = 127
FAR_BELOW = -1e4  # less than every activation, and finite in half precision


def present(ids: Any) -> Any:
    """1 where there is something and 0 where there is padding, float32 [..., 1]."""
    return ops.expand_dims(ops.cast(ops.not_equal(ids, 0), "float32"), -1)


@runtime_checkable
class Folds(Protocol):
    """A layer with a large table."""

    def fold(self) -> None:
        """Store the table in bytes; for export, training is over."""


class ByteTable:
    """A table in one byte a number, for export: a number is the byte times its absolute value times its column's scale.

    The square gives small numbers, which are most, finer steps than large ones.
    """

    def __init__(self, table: NDArray[np.float32]) -> None:
        """`table`: float32 [rows, columns]."""
        most = np.maximum(np.abs(table).max(axis=0), SMALL)
        roots = np.sign(table) * np.sqrt(np.abs(table) / most)
        self.bytes = np.rint(roots * LARGEST_BYTE).astype(np.int8)
        self.scale = (most / LARGEST_BYTE**2).astype(np.float32)

    def take(self, ids: Any) -> Any:
        """Rows, float32 [*ids.shape, columns]."""
        rows = ops.cast(ops.take(self.bytes, ids, axis=0), "float32")
        return rows * ops.abs(rows) * self.scale


class Bag(layers.Layer):  # type: ignore[misc]
    """Logits that are linear in which ids are there: the sum of their weights over the root of their number.

    A weight is trained times a fixed scale of its id (log-count ratio or inverse document frequency), so that Adam's
    equal steps become steps in proportion to what is known about it (Wang and Manning, 2012,
    https://aclanthology.org/P12-2018/). `fold` multiplies the two into a `ByteTable`, for export.
    """

    def __init__(
        self, scale: NDArray[np.float32], columns: int, start: float | None = 0.0, drop: float = 0.0, **options: Any
    ) -> None:
        """Bag over [buckets] of `scale`, giving `columns` logits.

        `start` is every weight's first value, None for a random one; `drop` the share of ids left out in training.
        """
        super().__init__(**options)
        self._scale_values = scale
        self._columns = columns
        self._start = start
        self.drop = layers.Dropout(drop)
        self.folded: ByteTable | None = None

    def build(self, shape: Any) -> None:
        buckets = len(self._scale_values)
        random = keras.initializers.RandomUniform(-0.1, 0.1)
        start = random if self._start is None else keras.initializers.Constant(self._start)
        self.table = self.add_weight(shape=(buckets, self._columns), initializer=start, name="table")
        self.bias = self.add_weight(shape=(self._columns,), initializer="zeros", name="bias")
        scale = keras.initializers.Constant(self._scale_values[:, None])
        self.scale = self.add_weight(shape=(buckets, 1), initializer=scale, trainable=False, name="scale")

    def call(self, ids: Any, training: bool = False) -> Any:
        mask = self.drop(present(ids), training=training)
        if self.folded:
            weights = self.folded.take(ids)
        else:
            weights = ops.take(self.table, ids, axis=0) * ops.take(self.scale, ids, axis=0)
        return ops.sum(weights * mask, axis=1) / ops.sqrt(ops.sum(mask, axis=1) + SMALL) + self.bias

    def compute_output_shape(self, shape: Any) -> Any:
        return (shape[0], self._columns)

    def fold(self) -> None:
        """Multiply the scale into the weights and store them in bytes; for export, training is over."""
        self.folded = ByteTable(ops.convert_to_numpy(self.table * self.scale))


class Convolutions(layers.Layer):  # type: ignore[misc]
    """Vectors [N, L, D] to one: convolutions of several widths, each pooled by maximum, and by mean if asked.

    After Kim, 2014, https://aclanthology.org/D14-1181/.
    """

    def __init__(self, filters: dict[int, int], mean: bool, **options: Any) -> None:
        """`filters`: how many of each width."""
        super().__init__(**options)
        self.convolutions = [
            layers.Conv1D(count, width, padding="same", activation="relu") for width, count in filters.items()
        ]
        self.mean = mean

    def call(self, embedded: Any, mask: Any) -> Any:
        """`mask`: [N, L, 1], 0 where there is padding; `embedded` is 0 there."""
        pooled = []
        for convolution in self.convolutions:
            found = convolution(embedded)
            pooled.append(ops.max(found * mask + (1 - mask) * FAR_BELOW, axis=1))
            if self.mean:
                pooled.append(ops.sum(found * mask, axis=1) / ops.sqrt(ops.sum(mask, axis=1) + 1))
        return ops.concatenate(pooled, axis=-1)


class ConvPool(layers.Layer):  # type: ignore[misc]
    """Ids [N, L] to one vector: embedded, then `Convolutions`."""

    def __init__(
        self, vocabulary: int, dim: int, filters: dict[int, int], drop: float, mean: bool, **options: Any
    ) -> None:
        """`filters`: how many of each width; `drop`: share of positions left out while training."""
        super().__init__(**options)
        first = keras.initializers.RandomUniform(-0.1, 0.1)
        self.embed = layers.Embedding(vocabulary, dim, embeddings_initializer=first)
        self.drop = layers.Dropout(drop, noise_shape=(None, None, 1))
        self.convolutions = Convolutions(filters, mean)
        self.folded: ByteTable | None = None

    def fold(self) -> None:
        """Store the embeddings in bytes; for export, training is over."""
        self.folded = ByteTable(ops.convert_to_numpy(self.embed.embeddings))

    def call(self, ids: Any, training: bool = False) -> Any:
        mask = present(ids)
        looked_up = self.folded.take(ids) if self.folded else self.embed(ids)
        return self.convolutions(self.drop(looked_up * mask, training=training), mask)
