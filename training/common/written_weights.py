"""Read weights back from a written graph: a training can go on from an artefact, whose work folder nobody has kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

# How `training.common.export` names the constant of a variable.
ENDINGS = ("/half", "/resource", "/ReadVariableOp")


def written_weights(path: Path) -> dict[str, NDArray[np.float32]]:
    """The constants of a graph that were variables of its network, by the name of the operation that reads each.

    Args:
        path: a graph that `training.common.export` has written.
    """
    return {_short(name): _value(tensor) for name, tensor in _constants(path) if "/ReadVariableOp" in name}


def written_constant(path: Path, *shape: int) -> NDArray[np.float32]:
    """The first constant of a shape in a graph.

    Raises:
        KeyError: there is none.
    """
    for _, tensor in _constants(path):
        if tuple(int(axis.size) for axis in tensor.tensor_shape.dim) == shape:
            return _value(tensor)
    raise KeyError(f"{path} has no constant of the shape {shape}")


def assign_written(model: Any, weights: dict[str, NDArray[np.float32]], prefix: str) -> None:
    """Give a functional network of convolutions the weights that a graph was written with.

    Args:
        model: a Keras model whose layers have the names that they had.
        weights: of `written_weights`.
        prefix: the name under which the network was called, with a slash behind.

    Raises:
        KeyError: a weight is not there.
    """
    for layer in model.layers:
        if not layer.weights:
            continue
        kinds = {4: ("convolution", "depthwise"), 1: ("Reshape", "BiasAdd")}
        for variable in layer.weights:
            names = [f"{prefix}{layer.name}_1/{kind}" for kind in kinds[len(variable.shape)]]
            found = next((weights[name] for name in names if name in weights), None)
            if found is None:
                raise KeyError(f"the graph has no weight {' or '.join(names)}")
            variable.assign(found)


def _constants(path: Path) -> Iterator[tuple[str, Any]]:
    graph = tf.compat.v1.GraphDef()
    graph.ParseFromString(path.read_bytes())
    return ((node.name, node.attr["value"].tensor) for node in graph.node if node.op == "Const")


def _value(tensor: Any) -> NDArray[np.float32]:
    return np.asarray(tf.make_ndarray(tensor), np.float32)


def _short(name: str) -> str:
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return name
