"""Tables that a graph looks rows up in, made ready for it once, when the graph is read.

An artefact keeps its tables small: halves, or bytes that a few operations turn into numbers behind each look-up. On a
CPU those operations cost many times the look-up itself (a row of halves .15 us a number, OpenVINO 2026.4), and whatever
is done to each number of a row alone can be done to the whole table before: f(table[ids]) is f(table)[ids], to the bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset8 as operations
from openvino.utils import replace_node

LARGEST = 64 << 20  # bytes; a larger table stays as it is, for it would be in memory once more
POINTWISE = ("Convert", "Abs", "Multiply")


def prepare_tables(model: Any) -> None:
    """Put what follows a look-up, number by number, before it. Results are the same to the bit.

    Args:
        model: an `openvino.Model`; changed.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "Gather" and _looks_up_rows(node):
            _prepare(model, node)


def _looks_up_rows(gather: Any) -> bool:
    axis = _constant(gather.input_value(2).get_node())
    return axis is not None and axis.size == 1 and int(axis.item()) == 0


def _prepare(model: Any, gather: Any) -> None:
    table = _table(gather.input_value(0).get_node())
    if table is None or table.size * 4 > LARGEST:
        return
    last, values = _fold(model, gather, table)
    if values.dtype != np.float32 or (last is gather and gather.input_value(0).get_node().get_type_name() != "Convert"):
        return
    rows = operations.gather(ov.op.Constant(values), gather.input_value(1), gather.input_value(2))
    rows.set_friendly_name(last.get_friendly_name())
    replace_node(last, rows)


def _table(node: Any) -> NDArray[Any] | None:
    """A constant of two dimensions, widened if it is kept as halves."""
    if node.get_type_name() == "Convert" and node.get_output_element_type(0) == ov.Type.f32:
        found = _constant(node.input_value(0).get_node())
        found = found.astype(np.float32) if found is not None else None
    else:
        found = _constant(node)
    return found if found is not None and found.ndim == 2 else None


def _fold(model: Any, gather: Any, table: NDArray[Any]) -> tuple[Any, NDArray[Any]]:
    """The last of the operations that work on each number of a row alone, and the table as it leaves them.

    It is the look-up itself where none follows, or where what they give in between is wanted, too.
    """
    values: dict[str, NDArray[Any]] = {gather.get_friendly_name(): table}
    nodes = {gather.get_friendly_name(): gather}
    for node in model.get_ordered_ops():
        value = _apply(node, values)
        if value is not None and value.shape == table.shape:
            values[node.get_friendly_name()], nodes[node.get_friendly_name()] = value, node
    leaving = [name for name, node in nodes.items() if any(reader not in nodes for reader in readers(node))]
    last = leaving[0] if len(leaving) == 1 else gather.get_friendly_name()
    return nodes[last], values[last]


def _apply(node: Any, values: dict[str, NDArray[Any]]) -> NDArray[Any] | None:
    """What an operation makes of values that are known; None if it is another kind, or also takes something else."""
    kind = node.get_type_name()
    if kind not in POINTWISE:
        return None
    given = [value.get_node() for value in node.input_values()]
    if not any(one.get_friendly_name() in values for one in given):
        return None
    known = [values.get(one.get_friendly_name(), _small(one)) for one in given]
    numbers = [value for value in known if value is not None]
    if len(numbers) < len(known):
        return None
    if kind == "Multiply":
        return np.asarray(np.multiply(*numbers))
    if kind == "Abs":
        return np.asarray(np.abs(*numbers))
    return numbers[0].astype(np.float32) if node.get_output_element_type(0) == ov.Type.f32 else None


def _small(node: Any) -> NDArray[Any] | None:
    """A constant that is the same for every row."""
    found = _constant(node)
    return found if found is not None and found.ndim <= 1 else None


def _constant(node: Any) -> NDArray[Any] | None:
    return np.array(node.data) if node.get_type_name() == "Constant" else None


def readers(node: Any) -> list[str]:
    """The names of the nodes that take what a node gives, once for each time."""
    return [reader.get_node().get_friendly_name() for port in node.outputs() for reader in port.get_target_inputs()]
