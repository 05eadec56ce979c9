"""A transformer decoder that describes a photo, one word after another, by the cells of its grid and by labels.

What it attends to is a memory of all cells, of up to so many labels with their scores, and of one token that says
nothing: a caption without a photo teaches it too, when the cells are hidden. Layer normalisation comes first in every
block (Xiong et al., 2020, arXiv:2002.04745); the output shares its weights with the embedding. The same layers run over
whole sentences in training and, with a cache, over one word in serving.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers, ops

from training.common.captions.decoder_net import DecoderNet

HIDDEN = -1e9  # added to the attention's scores of what is not there
BUCKETS = (0.25, 0.4, 0.6, 0.8)  # ends of the five ranges that a label's score may lie in


class Decoder(layers.Layer):  # type: ignore[misc]
    """Grid, labels and words to logits.

    Args:
        net: its sizes.
        vocabulary: how many words there are, the special ones included.
        positions: most words of a sentence, its end included.
        cells: cells of the grid.
        label_words: for each label the ids of its words in the vocabulary, PAD behind: int32 [labels, words].
    """

    def __init__(
        self, net: DecoderNet, vocabulary: int, positions: int, cells: int, label_words: Any = None, **rest: Any
    ) -> None:
        super().__init__(**rest)
        self.net, self.vocabulary, self.positions, self.cells = net, vocabulary, positions, cells
        self.label_words = label_words
        self.entry = (net.layers * 2, net.dim)  # keys and values of every layer, of one word or one token of the memory
        self.grid_dense = layers.Dense(net.dim, name="grid_dense")
        self.grid_norm = layers.LayerNormalization(epsilon=1e-5, name="grid_norm")
        self.grid_drop = layers.Dropout(net.drop_grid)
        self.label_dense = layers.Dense(net.dim, name="label_dense")
        self.label_norm = layers.LayerNormalization(epsilon=1e-5, name="label_norm")
        self.blocks = [Block(net, name=f"block{at}") for at in range(net.layers)]
        self.norm = layers.LayerNormalization(epsilon=1e-5, name="norm")
        self.drop = layers.Dropout(net.drop)

    def build(self, shape: Any) -> None:
        """Make the weights; `shape` is the cells', [N, cells, features]."""
        dim, small = self.net.dim, keras.initializers.RandomNormal(stddev=0.02)
        self.words = self.add_weight(
            (self.vocabulary, dim), keras.initializers.RandomNormal(stddev=dim**-0.5), name="words"
        )
        self.bias = self.add_weight((self.vocabulary,), "zeros", name="bias")
        self.positions_table = self.add_weight((self.positions, dim), small, name="positions")
        self.cells_table = self.add_weight((self.cells, dim), small, name="cells")
        self.buckets_table = self.add_weight((len(BUCKETS) + 1, dim), small, name="buckets")
        self.null_token = self.add_weight((1, 1, dim), small, name="null")
        self.grid_dense.build((None, self.cells, shape[-1]))
        self.grid_norm.build((None, self.cells, dim))
        self.label_dense.build((None, None, dim))
        self.label_norm.build((None, None, dim))
        self.norm.build((None, None, dim))
        for block in self.blocks:
            block.build((None, None, dim))
        self.built = True

    def set_drop(self, rate: float) -> None:
        """Change the dropout rate of the blocks; a network that is compiled already keeps its own."""
        for drop in (self.drop, *(drop for block in self.blocks for drop in block.drops)):
            drop.rate = rate

    def encode(self, cells: Any, labels: Any, scores: Any, seen: Any, training: bool = False) -> Any:
        """What the words attend to.

        Args:
            cells: float32 [N, cells, features].
            labels: int32 [N, M], places of labels; of no meaning where
            scores: float32 [N, M] is 0: there is no label.
            seen: float32 [N], 1 where the cells are there, 0 where they are hidden.

        Returns:
            float32 [N, cells + M + 1, C]: keys and values, and behind them what is added to their scores.
        """
        grid = self.grid_dense(self.grid_drop(cells, training=training)) + self.cells_table
        named = self.label_norm(self.label_dense(self.label_vectors(labels, scores)))
        nothing = ops.zeros_like(grid[:, :1]) + self.null_token
        tokens = ops.concatenate([self.grid_norm(grid), named, nothing], axis=1)
        there = ops.concatenate(
            [ops.zeros_like(cells[..., 0]) + seen[:, None], ops.cast(scores > 0, "float32"), nothing[..., 0] * 0 + 1], 1
        )
        keys = [part for block in self.blocks for part in block.memory(tokens)]
        return ops.concatenate([*keys, (1 - there)[..., None] * HIDDEN], axis=-1)

    def label_vectors(self, labels: Any, scores: Any) -> Any:
        """The mean of each label's words, and of which range its score is: [N, M] twice to [N, M, dim]."""
        words = ops.take(ops.convert_to_tensor(self.label_words), labels, axis=0)
        there = ops.cast(words > 0, "float32")[..., None]
        mean = ops.sum(ops.take(self.words, words, axis=0) * there, axis=-2) / ops.maximum(ops.sum(there, axis=-2), 1)
        bucket = sum(ops.cast(scores > end, "int32") for end in BUCKETS)
        return mean * self.net.dim**0.5 + ops.take(self.buckets_table, bucket, axis=0)

    def call(self, memory: Any, tokens: Any, training: bool = False) -> Any:
        """Logits of every next word.

        Args:
            memory: float32 [N, tokens, C], from `encode`.
            tokens: int32 [N, K, T], K sentences of each photo, each beginning with the start.

        Returns:
            float32 [N, K, T, vocabulary].
        """
        length = tokens.shape[-1]
        x = ops.take(self.words, tokens, axis=0) * self.net.dim**0.5 + self.positions_table[:length]
        x = self.drop(x, training=training)
        earlier = ops.arange(length)[None, :] <= ops.arange(length)[:, None]
        hidden = memory[:, None, None, :, -1]
        for block, parts in zip(self.blocks, self._parts(memory[..., :-1]), strict=True):
            x = block(x, parts, hidden, earlier, training=training)
        return self._logits(x)

    def memory_names(self) -> tuple[str, ...]:
        """What `by_heads` gives."""
        return ("hidden", *(f"{what}_{at}" for at in range(self.net.layers) for what in ("keys", "values")))

    def by_heads(self, memory: Any) -> dict[str, Any]:
        """A memory from `encode` as steps read it, so that what is the same for every word is done once.

        Returns:
            "hidden", [N, 1, 1, tokens]; of every layer "keys_AT" [N, heads, dim / heads, tokens], scaled, and
            "values_AT" [N, heads, tokens, dim / heads].
        """
        found = {"hidden": memory[:, None, None, :, -1]}
        for at, (block, (key, value)) in enumerate(zip(self.blocks, self._parts(memory[..., :-1]), strict=True)):
            found[f"keys_{at}"] = ops.swapaxes(block.heads(key), -1, -2) * block.scale
            found[f"values_{at}"] = block.heads(value)
        return found

    def step(self, tokens: Any, position: Any, cache: Any, memory: Mapping[str, Any]) -> tuple[Any, Any]:
        """One word further.

        Args:
            tokens: int32 [N, K], the word at `position` of K sentences of each photo.
            position: int32 [1].
            cache: float32 [T, *entry[:1], N, K, *entry[1:]], what this gave for the words before; T is at least 1, and
                what is behind `position` is ignored.
            memory: from `by_heads`.

        Returns:
            Logits of the next word [N, K, vocabulary], and this word's entry in the cache, [parts, N, K, dim].
        """
        x = ops.take(self.words, tokens, axis=0) * self.net.dim**0.5 + ops.take(self.positions_table, position, axis=0)
        # Rows of all beams in three dimensions: of five OpenVINO turns the last ones over for itself, and back.
        earlier = [
            ops.reshape(ops.take(cache, at, axis=1), (ops.shape(cache)[0], -1, self.net.dim))
            for at in range(self.entry[0])
        ]
        unseen = ops.where(ops.arange(ops.shape(cache)[0]) < position, 0.0, HIDDEN)[:, None]
        entries = []
        for at, block in enumerate(self.blocks):
            words = (earlier[2 * at], earlier[2 * at + 1])
            remembered = (memory[f"keys_{at}"], memory[f"values_{at}"])
            x, entry = block.step(x, remembered, memory["hidden"], words, unseen)
            entries += entry
        return self._logits(x), ops.stack(entries)

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
        self.scale = (net.dim // net.heads) ** -0.5  # of attention
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

    def memory(self, tokens: Any) -> tuple[Any, Any]:
        """Keys and values of what is attended to, each [N, tokens, dim]."""
        return self.dense["key"](tokens), self.dense["value"](tokens)

    def call(self, x: Any, memory: tuple[Any, Any], hidden: Any, earlier: Any, training: bool = False) -> Any:
        """Whole sentences x [N, K, T, dim]; `hidden` [N, 1, 1, tokens] is added to the scores of the memory, `earlier`
        [T, T] to those of words: 0, or so little that they are not looked at.
        """
        y = self.norms[0](x)
        own = self._attend(
            self.dense["own_query"](y),
            self.dense["own_key"](y),
            self.dense["own_value"](y),
            ops.where(earlier, 0.0, HIDDEN),
            training,
        )
        x = x + self.drops[0](self.dense["own_out"](own), training=training)
        flat = ops.reshape(self.norms[1](x), (-1, x.shape[1] * x.shape[2], self.net.dim))
        attended = ops.reshape(self._attend(self.dense["query"](flat), *memory, hidden, training), ops.shape(x))
        x = x + self.drops[1](self.dense["out"](attended), training=training)
        return x + self.drops[2](self._feed_forward(x), training=training)

    def step(
        self, x: Any, memory: tuple[Any, Any], hidden: Any, words: tuple[Any, Any], unseen: Any
    ) -> tuple[Any, list[Any]]:
        """One word x [N, K, dim], with what is remembered of earlier ones, [T, N * K, dim] twice; `unseen` [T, 1] is
        added to their scores.
        """
        y = self.norms[0](x)
        entry = [self.dense["own_key"](y), self.dense["own_value"](y)]
        own = self._attend_words(self.dense["own_query"](y), words, entry, unseen)
        x = x + self.dense["own_out"](own)
        query = self.heads(self.dense["query"](self.norms[1](x)))
        x = x + self.dense["out"](self._weighted(query, *memory, hidden, False))
        return x + self._feed_forward(x), entry

    def _attend_words(self, query: Any, words: tuple[Any, Any], entry: list[Any], unseen: Any) -> Any:
        """Attention of one word [N, K, dim] to earlier ones and itself, in products without turning the cache over."""
        length, size = ops.shape(words[0])[0] + 1, self.net.dim // self.net.heads
        keys, values = (
            ops.reshape(ops.concatenate([old, ops.reshape(new, (1, -1, self.net.dim))], axis=0), (length, -1, size))
            for old, new in zip(words, entry, strict=True)
        )
        query = ops.reshape(query * self.scale, (1, -1, size))
        # Without this shape between, OpenVINO would turn keys over instead of their scores, for the softmax.
        scores = ops.reshape(ops.sum(keys * query, axis=-1, keepdims=True), (length, -1))
        scores = scores + ops.concatenate([unseen, ops.zeros_like(unseen[:1])], axis=0)
        weights = ops.softmax(scores, axis=0)[..., None]
        return ops.reshape(ops.sum(weights * values, axis=0), ops.shape(entry[0]))

    def _feed_forward(self, x: Any) -> Any:
        return self.narrow(self.widen(self.norms[2](x)))

    def _attend(self, query: Any, key: Any, value: Any, hidden: Any, training: bool) -> Any:
        """Attention in several heads: query [..., Q, dim], key and value [..., M, dim] to [..., Q, dim]."""
        keys = ops.swapaxes(self.heads(key), -1, -2) * self.scale
        return self._weighted(self.heads(query), keys, self.heads(value), hidden, training)

    def _weighted(self, query: Any, keys: Any, values: Any, hidden: Any, training: bool) -> Any:
        """The same by heads: query [..., heads, Q, d], scaled keys [..., heads, d, M], values [..., heads, M, d]."""
        weights = self.attention_drop(ops.softmax(ops.matmul(query, keys) + hidden), training=training)
        joined = ops.swapaxes(ops.matmul(weights, values), -2, -3)
        return ops.reshape(joined, (*ops.shape(joined)[:-2], self.net.dim))

    def heads(self, x: Any) -> Any:
        """[..., T, dim] to [..., heads, T, dim / heads]."""
        return ops.swapaxes(ops.reshape(x, (*ops.shape(x)[:-1], self.net.heads, -1)), -2, -3)
