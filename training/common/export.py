"""Export a network as one frozen TensorFlow graph that both runtimes execute.

OpenVINO reads the graph natively, without TensorFlow installed; TensorFlow imports it on a GPU. Large constants
are stored in half precision with a cast behind them: half the bytes, and both runtimes still compute in float32.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

SMALLEST_HALVED = 1024  # elements; below this a constant is kept in float32, since nothing would be gained


def write_graph(
    path: Path,
    call: Callable[[Any], Mapping[str, Any]],
    shape: tuple[int | None, ...],
    dtype: str = "uint8",
    input_name: str = "image",
) -> int:
    """Trace `call`, freeze its variables and write the graph.

    Args:
        path: the file to write.
        call: from one tensor to named tensors; the names become the names of the graph's outputs.
        shape: the input's shape, None for the batch.
        dtype: the input's type.
        input_name: the name of the graph's input.

    Returns:
        The size of the file in bytes.
    """
    return write_parts(path, lambda tensors: call(tensors[input_name]), {input_name: (dtype, shape)})


def write_parts(
    path: Path,
    call: Callable[[Mapping[str, Any]], Mapping[str, Any]],
    inputs: Mapping[str, tuple[str, tuple[int | None, ...]]],
) -> int:
    """As `write_graph`, for a graph of several inputs: from some of them to some outputs it may be used in parts.

    Args:
        path: the file to write.
        call: from named tensors, all the inputs, to named tensors, all the outputs.
        inputs: by name, type and shape.

    Returns:
        The size of the file in bytes.
    """
    names: list[str] = []

    def named(*values: Any) -> list[Any]:
        # The identity names the output and makes it an end of the graph, which is how OpenVINO finds outputs.
        outputs = call(dict(zip(inputs, values, strict=True)))
        names.extend(outputs)
        return [tf.identity(tensor, name=name) for name, tensor in outputs.items()]

    specs = [tf.TensorSpec(shape, dtype, name=name) for name, (dtype, shape) in inputs.items()]
    frozen = convert_variables_to_constants_v2(tf.function(named).get_concrete_function(*specs))
    graph = tf.compat.v1.graph_util.extract_sub_graph(frozen.graph.as_graph_def(), names)
    data = halve_constants(graph).SerializeToString(deterministic=True)
    return path.write_bytes(data)


def halve_constants(graph: Any) -> Any:
    """The same GraphDef with each large float32 constant as a float16 constant and a cast to float32.

    Raises:
        ValueError: a constant is too large for float16.
    """
    halved = tf.compat.v1.GraphDef()
    halved.versions.CopyFrom(graph.versions)
    for node in graph.node:
        value = tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None
        if value is None or value.dtype != np.float32 or value.size < SMALLEST_HALVED:
            halved.node.add().CopyFrom(node)
            continue
        if np.abs(value).max() > np.finfo(np.float16).max:
            raise ValueError(f"constant {node.name} does not fit into half precision")
        constant = halved.node.add(name=f"{node.name}/half", op="Const")
        constant.attr["dtype"].type = tf.float16.as_datatype_enum
        constant.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.astype(np.float16)))
        cast = halved.node.add(name=node.name, op="Cast", input=[constant.name])
        cast.attr["SrcT"].type = tf.float16.as_datatype_enum
        cast.attr["DstT"].type = tf.float32.as_datatype_enum
    return halved
