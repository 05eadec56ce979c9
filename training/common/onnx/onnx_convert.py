"""Turn a frozen TensorFlow graph into ONNX, one model for each of its parts, by tf2onnx."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

OPSET = 18  # the first with bitwise operations, which the texts' hashes are made of
# tf2onnx joins a Reshape with the one behind it, though that may say "as long as what comes in" of a dimension.
WRONG = "remove_back_to_back"


@dataclass(frozen=True, slots=True)
class ConvertedPart:
    """A part of a graph: its inputs and outputs by name, and the ONNX ModelProto from those to these."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    model: Any


def convert_parts(graph: Path, outputs: Sequence[str]) -> Iterator[ConvertedPart]:
    """The parts of a written graph, see `group_outputs`.

    Args:
        graph: the .pb file.
        outputs: the names of all its outputs.

    Raises:
        ValueError: an operation has no counterpart in ONNX.
    """
    definition = tf.compat.v1.GraphDef()
    definition.ParseFromString(graph.read_bytes())
    replace_erfc(definition)
    for inputs, together in group_outputs(definition, outputs).items():
        yield ConvertedPart(inputs, together, _convert(definition, inputs, together))


def group_outputs(definition: Any, outputs: Sequence[str]) -> dict[tuple[str, ...], tuple[str, ...]]:
    """For each set of inputs that an output of a GraphDef is computed from, all outputs that these suffice for.

    So what is wanted together is computed together: a captioner's cache entry needs fewer inputs than its scores, and
    is computed on the way to them.

    Returns:
        Names, each group in alphabetical order.
    """
    nodes = {node.name: node for node in definition.node}
    behind = {output: _inputs_behind(output, nodes) for output in sorted(outputs)}
    return {
        tuple(sorted(inputs)): tuple(output for output, needs in behind.items() if needs <= inputs)
        for inputs in behind.values()
    }


def replace_erfc(definition: Any) -> None:
    """Write erfc(x) as 1 - erf(x) in a GraphDef: ONNX has no erfc. It is in Keras's GELU, where both are as exact."""
    for node in list(definition.node):
        if node.op != "Erfc":
            continue
        erf = definition.node.add(name=f"{node.name}/erf", op="Erf", input=list(node.input))
        erf.attr["T"].CopyFrom(node.attr["T"])
        one = definition.node.add(name=f"{node.name}/one", op="Const")
        one.attr["dtype"].CopyFrom(node.attr["T"])
        one.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.float32(1)))
        node.op = "Sub"
        del node.input[:]
        node.input.extend([one.name, erf.name])


def _convert(definition: Any, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    from tf2onnx import optimizer, tfonnx

    part = tf.compat.v1.graph_util.extract_sub_graph(definition, list(outputs))
    with tf.Graph().as_default() as imported:
        tf.import_graph_def(part, name="")
        made = tfonnx.process_tf_graph(
            imported,
            opset=OPSET,
            input_names=[f"{name}:0" for name in inputs],
            output_names=[f"{name}:0" for name in outputs],
            tensors_to_rename={f"{name}:0": name for name in (*inputs, *outputs)},
        )
    steps = {name: step for name, step in optimizer._get_optimizers().items() if name != WRONG}
    return optimizer.optimize_graph(made, catch_errors=False, optimizers=steps).make_model("tagline")


def _inputs_behind(output: str, nodes: dict[str, Any]) -> set[str]:
    seen, waiting = set[str](), [output]
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting.extend(source.lstrip("^").split(":")[0] for source in nodes[name].input)
    return {name for name in seen if nodes[name].op == "Placeholder"}
