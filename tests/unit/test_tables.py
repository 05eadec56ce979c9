"""What follows a look-up number by number is done to the table instead, and not one bit of a result is another."""

from __future__ import annotations

from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset8 as operations

from worker.runtimes import tables
from worker.runtimes.tables import prepare_tables

ROWS, WIDTH = 50, 3
IDS = np.random.default_rng(0).integers(0, ROWS, (4, 7)).astype(np.int32)


def looked_up(table: NDArray[Any], *, widen: bool = False) -> tuple[Any, Any]:
    """The parameter of ids, and the rows."""
    ids = operations.parameter([-1, -1], np.int32, name="ids")
    constant = ov.op.Constant(table)
    source = operations.convert(constant, "f32") if widen else constant
    return ids, operations.gather(source, ids, operations.constant(0, np.int32))


def coded(width: int = WIDTH) -> tuple[Any, Any]:
    """Bytes whose sign and square root they are: x * |x| * a scale for each column, as `language` keeps them."""
    table = np.random.default_rng(1).integers(-127, 127, (ROWS, width)).astype(np.int8)
    ids, rows = looked_up(table)
    numbers = operations.convert(rows, "f32")
    squares = operations.multiply(numbers, operations.absolute(numbers))
    return ids, operations.multiply(squares, ov.op.Constant(np.linspace(0.001, 0.3, width, dtype=np.float32)))


def halves() -> tuple[Any, Any]:
    """A table of halves, as `spam` keeps it."""
    return looked_up(np.random.default_rng(2).normal(size=(ROWS, WIDTH)).astype(np.float16), widen=True)


def wanted_in_between() -> tuple[Any, Any]:
    """Rows that are also wanted before something is done to them."""
    ids, rows = looked_up(np.random.default_rng(3).normal(size=(ROWS, WIDTH)).astype(np.float32))
    return ids, operations.add(rows, operations.absolute(rows))


def of_each_place() -> tuple[Any, Any]:
    """Rows times something that differs from text to text."""
    ids, rows = halves()
    mask = operations.convert(operations.not_equal(ids, operations.constant(0, np.int32)), "f32")
    return ids, operations.multiply(rows, operations.unsqueeze(mask, operations.constant(-1, np.int32)))


def run(ids: Any, rows: Any, *, ready: bool) -> tuple[NDArray[Any], list[str]]:
    """What a graph gives, and the kinds of its operations."""
    total = operations.reduce_sum(rows, operations.constant(1, np.int32))
    model = ov.Model([total], [ids], "test")
    if ready:
        prepare_tables(model)
    kinds = [node.get_type_name() for node in model.get_ordered_ops()]
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled([IDS])[0]), kinds


@pytest.mark.parametrize("make", [coded, halves, wanted_in_between, of_each_place])
def test_results_are_the_same_to_the_bit(make: Any) -> None:
    before, _ = run(*make(), ready=False)
    after, kinds = run(*make(), ready=True)
    assert np.array_equal(before, after)
    if make in (coded, halves):
        assert not {"Convert", "Abs", "Multiply"} & set(kinds), "the table is what the graph would make of its rows"
    if make is of_each_place:
        assert kinds.count("Convert") == 1, "of the mask alone"


def test_a_large_table_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It would be in memory twice."""
    monkeypatch.setattr(tables, "LARGEST", 4 * ROWS * WIDTH - 1)
    _, kinds = run(*halves(), ready=True)
    assert "Convert" in kinds
