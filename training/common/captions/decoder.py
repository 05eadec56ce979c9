"""A transformer decoder that describes a grid of image features, one word after another.

Layer normalisation comes first in every block (Xiong et al., 2020, arXiv:2002.04745); the output shares its weights
with the embedding. The same layers run over whole sentences in training and, with a cache, over one word in serving.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import layers, ops

from training.common.captions.decoder_net import DecoderNet


class Decoder(layers.Layer):  # type: ignore[misc]
    """Grid and words to logits.

    Args:
        net: its sizes.
        vocabulary: how many words there are, the special ones included.
        positions: most words of a sentence, its end included.
        cells: cells of the grid.
    """

    def __init__(self, net: DecoderNet, vocabulary: int, positions: int, cells: int, **rest: Any) -> None:
        super().__init__(**rest)
        self.net, self.vocabulary, self.positions, self.cells = net, vocabulary, positions, cells
        self.entry = net.layers * 2 * net.dim  # keys and values of every layer, of one word or one cell
        self.grid_dense = layers.Dense(net.dim, name="grid_dense")
        self.grid_norm = layers.LayerNormalization(epsilon=1e-5, name="grid_norm")
        self.grid_drop = layers.Dropout(net.drop_grid)
        self.blocks = [Block(net, name=f"block{at}") for at in range(net.layers)]
        self.norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        self.drop = layers.Dropout(net.drop)

    def build(self, shape: Any) -> None:
        """Make the weights; `shape` is the grid's, [N, rows, columns, features]."""
        dim, small = self.net.dim, keras.initializers.RandomNormal(stddev=0.02)
        self.words = self.add_weight(
            (self.vocabulary, dim), keras.initializers.RandomNormal(stddev=dim**-0.5), name="words"
        )
        self.bias = self.add_weight((self.vocabulary,), "zeros", name="bias")
        self.positions_table = self.add_weight((self.positions, dim), small, name="positions")
        self.cells_table = self.add_weight((self.cells, dim), small, name="cells")
        self.grid_dense.build((None, self.cells, shape[-1]))
        self.grid_norm.build((None, self.cells, dim))
        self.norm.build((None, None, dim))
        for block in self.blocks:
            block.build((None, None, dim))
        self.built = True

    def set_drop(self, rate: float) -> None:
        """Change the dropout rate of the blocks; a network that is compiled already keeps its own."""
        for drop in (self.drop, *(drop for block in self.blocks for drop in block.drops)):
            drop.rate = rate

    def encode(self, grid: Any, training: bool = False) -> Any:
        """Keys and values that the words attend to: grid [N, rows, columns, features] to [N, cells, entry]."""
        cells = ops.reshape(grid, (-1, self.cells, grid.shape[-1]))
        cells = self.grid_norm(self.grid_dense(self.grid_drop(cells, training=training)) + self.cells_table)
        return ops.concatenate([part for block in self.blocks for part in block.memory(cells)], axis=-1)

    def call(self, grid: Any, tokens: Any, training: bool = False) -> Any:
        """Logits of every next word.

        Args:
            grid: float32 [N, rows, columns, features].
            tokens: int32 [N, K, T], K sentences of each photo, each beginning with the start.

        Returns:
            float32 [N, K, T, vocabulary].
        """
        length = tokens.shape[-1]
        x = ops.take(self.words, tokens, axis=0) * self.net.dim**0.5 + self.positions_table[:length]
        x = self.drop(x, training=training)
        earlier = ops.arange(length)[None, :] <= ops.arange(length)[:, None]
        for block, memory in zip(self.blocks, self._parts(self.encode(grid, training)), strict=True):
            x = block(x, memory, earlier, training=training)
        return self._logits(x)

    def step(self, tokens: Any, position: Any, cache: Any, memory: Any) -> tuple[Any, Any]:
        """One word further.

        Args:
            tokens: int32 [N, K], the word at `position` of K sentences of each photo.
            position: int32 [1].
            cache: float32 [N, K, T, entry], what this gave for the words before; what is behind them is ignored.
            memory: float32 [N, cells, entry], from `encode`.

        Returns:
            Logits of the next word [N, K, vocabulary], and this word's entry in the cache [N, K, entry].
        """
        x = ops.take(self.words, tokens, axis=0) * self.net.dim**0.5 + ops.take(self.positions_table, position, axis=0)
        places = ops.arange(cache.shape[2])
        here, visible = ops.equal(places, position)[:, None], places <= position
        entries = []
        parts = zip(self.blocks, self._parts(memory), self._parts(cache), strict=True)
        for block, remembered, earlier in parts:
            x, entry = block.step(x, remembered, earlier, here, visible)
            entries += entry
        return self._logits(x), ops.concatenate(entries, axis=-1)

    def _logits(self, x: Any) -> Any:
        return ops.matmul(self.norm(x), ops.transpose(self.words)) + self.bias

    def _parts(self, joined: Any) -> list[tuple[Any, Any]]:
        """Keys and values of each layer from [..., entry]."""
        parts = ops.split(joined, 2 * self.net.layers, axis=-1)
        return list(zip(parts[::2], parts[1::2], strict=True))


class Block(layers.Layer):  # type: ignore[misc]
    """Attention to earlier words, attention to the photo, and a feed-forward network."""

    def __init__(self, net: DecoderNet, **rest: Any) -> None:
        super().__init__(**rest)
        self.net = net
        names = ("own_query", "own_key", "own_value", "own_out", "query", "key", "value", "out")
        self.dense = {name: layers.Dense(net.dim, name=name) for name in names}
        self.norms = [layers.LayerNormalization(epsilon=1e-5, name=f"norm{at}") for at in range(3)]
        self.widen = layers.Dense(net.hidden, activation="gelu", name="widen")
        self.narrow = layers.Dense(net.dim, name="narrow")
        self.drops = [layers.Dropout(net.drop) for _ in range(3)]
        self.attention_drop = layers.Dropout(net.drop_attention)

    def build(self, shape: Any) -> None:
        """Make the weights of every layer inside."""
        for layer in (*self.dense.values(), *self.norms, self.widen):
            layer.build(shape)
        self.narrow.build((*shape[:-1], self.net.hidden))
        self.built = True

    def memory(self, cells: Any) -> tuple[Any, Any]:
        """Keys and values of the photo's cells, each [N, cells, dim]."""
        return self.dense["key"](cells), self.dense["value"](cells)

    def call(self, x: Any, memory: tuple[Any, Any], earlier: Any, training: bool = False) -> Any:
        """Whole sentences x [N, K, T, dim]; `earlier` [T, T] says which words a word may look at."""
        y = self.norms[0](x)
        own = self._attend(
            self.dense["own_query"](y), self.dense["own_key"](y), self.dense["own_value"](y), earlier, training
        )
        x = x + self.drops[0](self.dense["own_out"](own), training=training)
        flat = ops.reshape(self.norms[1](x), (-1, x.shape[1] * x.shape[2], self.net.dim))
        attended = ops.reshape(self._attend(self.dense["query"](flat), *memory, None, training), ops.shape(x))
        x = x + self.drops[1](self.dense["out"](attended), training=training)
        return x + self.drops[2](self._feed_forward(x), training=training)

    def step(
        self, x: Any, memory: tuple[Any, Any], cache: tuple[Any, Any], here: Any, visible: Any
    ) -> tuple[Any, list[Any]]:
        """One word x [N, K, dim]; `here` [T, 1] marks its position, `visible` [T] the words it may look at."""
        y = self.norms[0](x)
        entry = [self.dense["own_key"](y), self.dense["own_value"](y)]
        keys, values = (ops.where(here, new[:, :, None], old) for new, old in zip(entry, cache, strict=True))
        own = self._attend(self.dense["own_query"](y)[:, :, None], keys, values, visible, False)[:, :, 0]
        x = x + self.dense["own_out"](own)
        x = x + self.dense["out"](self._attend(self.dense["query"](self.norms[1](x)), *memory, None, False))
        return x + self._feed_forward(x), entry

    def _feed_forward(self, x: Any) -> Any:
        return self.narrow(self.widen(self.norms[2](x)))

    def _attend(self, query: Any, key: Any, value: Any, allowed: Any, training: bool) -> Any:
        """Attention in several heads: query [..., Q, dim], key and value [..., M, dim] to [..., Q, dim]."""
        query, key, value = self._heads(query), self._heads(key), self._heads(value)
        scores = ops.matmul(query, ops.swapaxes(key, -1, -2)) * (self.net.dim // self.net.heads) ** -0.5
        if allowed is not None:
            scores = ops.where(allowed, scores, -1e9)
        weights = self.attention_drop(ops.softmax(scores), training=training)
        joined = ops.swapaxes(ops.matmul(weights, value), -2, -3)
        return ops.reshape(joined, (*ops.shape(joined)[:-2], self.net.dim))

    def _heads(self, x: Any) -> Any:
        """[..., T, dim] to [..., heads, T, dim / heads]."""
        return ops.swapaxes(ops.reshape(x, (*ops.shape(x)[:-1], self.net.heads, -1)), -2, -3)
