"""Run a written graph offline, by TensorFlow: for measuring what was exported, as it was exported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from core.heads.captions import Part


def graph_parts(path: Path) -> Part:
    """A written graph as a function from named inputs and wanted outputs to named outputs..

    Only the part of the graph between the given inputs and the wanted outputs runs.
    """
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    imported = tf.compat.v1.wrap_function(lambda: tf.compat.v1.import_graph_def(graph, name=""), [])
    parts: dict[tuple[str, ...], Any] = {}

    def run(feeds: dict[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        key = (*feeds, "", *outputs)
        if key not in parts:
            element = imported.graph.as_graph_element
            parts[key] = imported.prune([element(f"{n}:0") for n in feeds], [element(f"{n}:0") for n in outputs])
        found = parts[key](*(tf.constant(value) for value in feeds.values()))
        return {name: np.array(value.numpy()) for name, value in zip(outputs, found, strict=True)}

    return run


def load_graph(path: Path, outputs: Sequence[str], input_name: str = "image") -> Callable[[Any], list[Any]]:
    """A written graph as a function from a batch to the named outputs as numpy arrays."""
    run = graph_parts(path)
    return lambda batch: list(run({input_name: batch}, outputs).values())


def run_graph(path: Path, batch: np.ndarray[Any, Any], output: str, input_name: str = "image") -> Any:
    """One output of a written graph for a batch, as a numpy array."""
    return load_graph(path, [output], input_name)(batch)[0]
