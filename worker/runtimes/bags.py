"""Bags: rows of a table that are added up over the ids of a text. Graphs spell that out; one operation does it.

Networks over n-grams look a row up for each id, multiply it with 0 where the id is padding, and add the rows up: each
step writes a number for every id and column, and reads it again. OpenVINO has one operation for all of it, which goes
through the ids once and takes a quarter of the time (2026.4; 1,024 ids a text and 5 to 8 columns).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset8 as operations
from openvino.utils import replace_node

from worker.runtimes.tables import LARGEST, readers


def sum_bags(model: Any) -> None:
    """Put one operation in place of each look-up, mask and sum. Results are the same to the bit: padding looks up a row
    of zeros, and rows are added in the same order.

    Args:
        model: an `openvino.Model`, whose tables are ready; changed.
    """
    for node in model.get_ordered_ops():
        if node.get_type_name() == "ReduceSum":
            _replace(node)


def _replace(total: Any) -> None:
    product = _given(total, 0)
    if product.get_type_name() != "Multiply" or not _is(total, 1, 1) or len(readers(product)) != 1:
        return
    if total.get_output_partial_shape(0).rank != 2:  # a sum that keeps the dimension: a bag has none
        return
    sides = _given(product, 0), _given(product, 1)
    for rows, mask in (sides, sides[::-1]):
        ids = _masked(mask)
        table = None if ids is None or rows.get_type_name() != "Gather" else _table(rows, ids)
        if table is not None:
            bag = operations.embedding_bag_packed_sum(table, ids)
            bag.set_friendly_name(total.get_friendly_name())
            replace_node(total, bag)
            return


def _masked(mask: Any) -> Any | None:
    """What a mask is 0 for where it is 0, and 1 elsewhere; None if it is no such mask of ids [N, length]."""
    if mask.get_type_name() != "Unsqueeze" or not (_is(mask, 1, 2) or _is(mask, 1, -1)):
        return None
    converted = _given(mask, 0)
    compared = _given(converted, 0) if converted.get_type_name() == "Convert" else None
    if compared is None or compared.get_type_name() != "NotEqual" or not _is(compared, 1, 0):
        return None
    ids = compared.input_value(0)
    return ids if ids.get_partial_shape().rank == 2 and ids.get_element_type() in (ov.Type.i32, ov.Type.i64) else None


def _table(gather: Any, ids: Any) -> Any | None:
    """The table of a look-up of just these ids, with zeros for id 0; None if it is another kind."""
    table = _given(gather, 0)
    if table.get_type_name() != "Constant" or table.get_element_type() != ov.Type.f32 or not _is(gather, 2, 0):
        return None
    values: NDArray[Any] = table.data
    if values.ndim != 2 or not _same(gather.input_value(1), ids, len(values)):
        return None
    if not values[0].any():
        return table
    if values.nbytes > LARGEST:
        return None
    values = np.array(values)
    values[0] = 0
    return ov.op.Constant(values)


def _same(places: Any, ids: Any, rows: int) -> bool:
    """Whether the places of a look-up are the ids. Frameworks count those below 0 from the end; there are none."""
    if places == ids:
        return True
    chosen = places.get_node()
    if chosen.get_type_name() != "Select" or chosen.input_value(2) != ids:
        return False
    below, wrapped = _given(chosen, 0), _given(chosen, 1)
    return (
        below.get_type_name() == "Less" and below.input_value(0) == ids and _is(below, 1, 0)
        and wrapped.get_type_name() == "Add" and wrapped.input_value(0) == ids and _is(wrapped, 1, rows)
    )  # fmt: skip


def _given(node: Any, at: int) -> Any:
    return node.input_value(at).get_node()


def _is(node: Any, at: int, number: int) -> bool:
    """Whether what a node is given is one number, that one."""
    given = _given(node, at)
    return given.get_type_name() == "Constant" and given.data.size == 1 and bool(given.data.item() == number)
