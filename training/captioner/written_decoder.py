"""Start a decoder from a captioner's artefact: a training goes on where that one has ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import load_manifest
from core.heads.captions import CaptionSettings, read_words
from training.captioner.caption_labels import CaptionLabels
from training.captioner.label_heads import LabelHeads
from training.common.captions.decoder import Decoder
from training.common.written_weights import written_constant, written_weights

Floats = NDArray[np.float32]
# What the layer before the memory was called in artefacts before 2.0.0.
EARLIER = {"grid_dense": "look", "grid_norm": "look_norm"}


@dataclass(frozen=True, slots=True)
class WrittenDecoder:
    """The decoder of an artefact.

    Attributes:
        words: its vocabulary.
        weights: of its graph, see `written_weights`.
        folder: where it is.
    """

    words: tuple[str, ...]
    weights: dict[str, Floats]
    folder: Path

    def labels(self) -> tuple[CaptionLabels, LabelHeads] | None:
        """The labels that it hears, and its heads; None if it hears none."""
        manifest = load_manifest(self.folder)
        settings = CaptionSettings.model_validate(manifest.settings)
        if settings.labels is None:
            return None
        labels, graph = CaptionLabels.read(self.folder / settings.labels), self.folder / manifest.graph
        count, features = len(labels.things) + len(labels.words), int(manifest.inputs["grid"].shape[-1] or 0)
        return labels, LabelHeads(written_constant(graph, features, count), written_constant(graph, count))

    def grid_kernel(self) -> Floats:
        """What it makes of a cell, [features, dim]."""
        return self.layer("grid_dense", "Cast")[0]

    def layer(self, name: str, part: str) -> list[Floats]:
        """A part of all layers of a name, in the order in which they are called; none if there is none."""
        for called in (name, EARLIER.get(name, name)):
            pattern = re.compile(rf"(?:.*/)?{called}(?:_(\d+))?/{part}")
            found = sorted(
                (int(match[1] or 0), key) for key in self.weights if (match := pattern.fullmatch(key)) is not None
            )
            if found:
                return [self.weights[key] for _, key in found]
        return []

    def table(self, *shape: int) -> Floats | None:
        """The one weight of a shape, which belongs to no layer."""
        return next((w for key, w in self.weights.items() if w.shape == shape and _is_table(key)), None)


def read_decoder(folder: Path) -> WrittenDecoder:
    """The decoder of a captioner's artefact."""
    manifest = load_manifest(folder)
    settings = CaptionSettings.model_validate(manifest.settings)
    return WrittenDecoder(read_words(folder / settings.words), written_weights(folder / manifest.graph), folder)


def start_from(decoder: Decoder, words: tuple[str, ...], start: WrittenDecoder, kernel: Floats) -> None:
    """Give a decoder the weights of another; words and parts that are new keep what they have.

    Args:
        decoder: built, of the same sizes.
        words: its vocabulary.
        start: the other.
        kernel: the first layer of the grid, [features, dim].
    """
    dim = decoder.net.dim
    _layer(decoder.grid_dense, [kernel, *start.layer("grid_dense", "BiasAdd")])
    for name, layer in (("grid_norm", decoder.grid_norm), ("norm", decoder.norm), ("label_norm", decoder.label_norm)):
        _layer(layer, [*start.layer(name, "Reshape"), *start.layer(name, "Reshape_1")])
    _layer(decoder.label_dense, [*start.layer("label_dense", "Cast"), *start.layer("label_dense", "BiasAdd")])
    for at, block in enumerate(decoder.blocks):
        for name, dense in (*block.dense.items(), ("widen", block.widen), ("narrow", block.narrow)):
            _layer(dense, [start.layer(name, "Cast")[at], start.layer(name, "BiasAdd")[at]])
        for number, norm in enumerate(block.norms):
            name = f"norm{number}"
            _layer(norm, [start.layer(name, "Reshape")[at], start.layer(name, "Reshape_1")[at]])
    for variable in (decoder.positions_table, decoder.cells_table, decoder.buckets_table, decoder.null_token):
        found = start.table(*variable.shape)
        if found is not None:
            variable.assign(found)
    known = {word: at for at, word in enumerate(start.words)}
    rows = [(at, known[word]) for at, word in enumerate(words) if word in known]
    mine, theirs = np.array(rows).T
    for variable, shape in ((decoder.words, (len(known), dim)), (decoder.bias, (len(known),))):
        table: Any = np.array(variable)
        found = start.table(*shape)
        assert found is not None
        table[mine] = found[theirs]
        variable.assign(table)


def _layer(layer: Any, weights: list[Floats]) -> None:
    if weights:
        layer.set_weights(weights)


def _is_table(key: str) -> bool:
    return not re.search(r"(Cast|BiasAdd|Reshape(_1)?)$", key)
