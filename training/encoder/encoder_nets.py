"""What is tuned of the encoder: its last layers, their optimiser, and the losses of captioning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from training.common.captions.decoder import Decoder
from training.encoder.published_weights import published
from training.encoder.trunk import CUT

AT_ONCE = 50


def tuned_top() -> keras.Model:
    """The layers behind the cut with the published weights: trunk [N, 9, 9, 208] to grid [N, 9, 9, 1280]."""
    network = published()
    return keras.Model(network.get_layer(CUT).output, network.output["features"], name="top")


class GridCaptioner(keras.layers.Layer):  # type: ignore[misc]
    """A decoder that hears no labels: grid [N, rows, columns, features] and words to logits."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self.decoder = decoder

    def call(self, grid: Any, tokens: Any, training: bool = False) -> Any:
        """Logits [N, K, T, vocabulary]."""
        cells = ops.reshape(grid, (-1, self.decoder.cells, grid.shape[-1]))
        nothing = ops.zeros_like(cells[:, :1, 0])
        memory = self.decoder.encode(cells, ops.cast(nothing, "int32"), nothing, nothing[:, 0] + 1, training)
        return self.decoder(memory, tokens, training=training)


class TwoRateAdamW(keras.optimizers.AdamW):  # type: ignore[misc]
    """AdamW with a lower learning rate for layers that were trained before than for those that start at random.

    Args:
        slow: the variables that were trained before.
        share: their share of the learning rate.
    """

    def __init__(self, learning_rate: Any, slow: Sequence[Any] = (), share: float = 1.0, **rest: Any) -> None:
        super().__init__(learning_rate, **rest)
        self._slow, self._share = {id(variable) for variable in slow}, share

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One variable's step."""
        rate = learning_rate * self._share if id(variable) in self._slow else learning_rate
        super().update_step(gradient, variable, rate)


def grids(top: keras.Model, views: Any, count: int, view: int = 0) -> NDArray[np.float32]:
    """One view's grids, float32 [count, 9, 9, 1280]."""
    found = []
    for at in range(0, count, AT_ONCE):
        photos = np.arange(at, min(at + AT_ONCE, count))
        found.append(ops.convert_to_numpy(top(views.take(np.full(len(photos), view), photos), training=False)))
    return np.concatenate(found)


def word_loss(shares: Any, logits: Any) -> Any:
    """Binary cross-entropy of every word with the share of captions that have it, summed over the words: [N]."""
    return ops.sum(ops.softplus(logits) - shares * logits, axis=-1)
