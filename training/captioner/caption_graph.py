"""A captioner's graph: two parts, what it makes of a grid, and one word further."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.heads.captions import encoded
from training.captioner.caption_labels import LabelPlaces
from training.captioner.label_heads import LabelHeads
from training.common.captions.decoder import Decoder
from training.common.export import write_parts

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class BeforeTheDecoder:
    """What stands between the encoder's grid and the decoder.

    Attributes:
        grid_shape: rows, columns and features.
        projection: of the cells, [features, width].
        heads: from the mean of the grid to how likely the first labels are.
        class_kernel, class_bias: from the mean of the last features to logits of classes, the last labels.
        spans: first and last label of each group, and its places.
    """

    grid_shape: tuple[int, ...]
    projection: Floats
    heads: LabelHeads
    class_kernel: Floats
    class_bias: Floats
    spans: Sequence[tuple[int, int, LabelPlaces]]

    @property
    def places(self) -> int:
        """Labels that the memory has room for."""
        return sum(min(places.most, end - start) for start, end, places in self.spans)

    def labels(self, cells: Any) -> tuple[Any, Any]:
        """The labels of photos and their scores, each [N, places], from cells [N, cells, features]."""
        mean = ops.mean(cells, axis=1)
        named = ops.sigmoid(ops.matmul(mean, self.heads.kernel) + self.heads.bias)
        logits = ops.matmul(mean[:, -self.class_kernel.shape[0] :], self.class_kernel) + self.class_bias
        scores = ops.concatenate([named, ops.softmax(logits)], axis=-1)
        ids, values = [], []
        for start, end, places in self.spans:
            best, at = ops.top_k(scores[:, start:end], min(places.most, end - start))
            ids.append(ops.cast(at, "int32") + start)
            values.append(ops.where(best >= places.least, best, 0.0))
        return ops.concatenate(ids, axis=-1), ops.concatenate(values, axis=-1)


def write_decoder(path: Path, decoder: Decoder, before: BeforeTheDecoder) -> None:
    """Write the graph.

    The projection of the cells becomes part of the first layer, and the label heads are part of the graph: a captioner
    hears nothing that is not in its own artefact.
    """
    whole = on_whole_grids(decoder, before.projection)
    features, beams = before.grid_shape[-1], (None, None)

    def call(given: Any) -> dict[str, Any]:
        logits, new = whole.step(given["tokens"], given["position"], given["cache"], given)
        cells = ops.reshape(given["grid"], (-1, decoder.cells, features))
        label_ids, label_scores = before.labels(cells)
        memory = whole.by_heads(whole.encode(cells, label_ids, label_scores, ops.ones_like(cells[:, 0, 0])))
        return {
            **{encoded(name): value for name, value in memory.items()},
            "label_ids": label_ids,
            "label_scores": label_scores,
            "log_probabilities": ops.log_softmax(logits),
            "entry": new,
        }

    parts, numbers = decoder.entry
    inputs: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "grid": ("float32", (None, *before.grid_shape)),
        "tokens": ("int32", beams),
        "position": ("int32", (1,)),
        "cache": ("float32", (None, parts, *beams, numbers)),
        **{name: ("float32", (None, *shape)) for name, shape in memory_shapes(decoder, before).items()},
    }
    write_parts(path, call, inputs)


def memory_shapes(decoder: Decoder, before: BeforeTheDecoder) -> dict[str, tuple[int, ...]]:
    """What the steps are given of a photo, and its shape; see `Decoder.by_heads`."""
    tokens = decoder.cells + before.places + 1
    heads, size = decoder.net.heads, decoder.net.dim // decoder.net.heads
    shapes = {"hidden": (1, 1, tokens), "keys": (heads, size, tokens), "values": (heads, tokens, size)}
    return {name: shapes[name.partition("_")[0]] for name in decoder.memory_names()}


def on_whole_grids(decoder: Decoder, projection: Floats) -> Decoder:
    """The same decoder for cells that are not projected before."""
    whole = Decoder(decoder.net, decoder.vocabulary, decoder.positions, decoder.cells, decoder.label_words)
    whole.build((None, decoder.cells, projection.shape[0]))
    kernel, bias = decoder.grid_dense.get_weights()
    for mine, its in zip(whole.weights, decoder.weights, strict=True):
        if tuple(mine.shape) == tuple(its.shape):
            mine.assign(its)
    whole.grid_dense.set_weights([projection @ kernel, bias])
    return whole
