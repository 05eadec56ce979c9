"""One operation adds up the rows of a bag, and not one bit of a result is another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from numpy.typing import NDArray
from openvino import opset8 as operations

from core.artefacts.manifest import load_manifest
from core.texts.padded import bag_batches
from core.texts.prepare_many import prepare_texts
from worker.runtimes import bags
from worker.runtimes.bags import sum_bags
from worker.runtimes.tables import prepare_tables

ROWS, WIDTH = 50, 5
MODELS = Path(__file__).parents[2] / "models"
TABLE = np.random.default_rng(1).normal(size=(ROWS, WIDTH)).astype(np.float32)
IDS = np.random.default_rng(0).integers(1, ROWS, (4, 16)).astype(np.int32)
IDS[0, 9:] = IDS[1, 3:] = IDS[2, :] = 0


def number(value: int) -> Any:
    return operations.constant(value, np.int32)


def bag(
    table: NDArray[np.float32] = TABLE, *, wrapped: int | None = None, padding: int = 0, mask_first: bool = False,
    axis: int = 1, keep_dims: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """The parameter of ids, and the sum of their rows as frameworks write it; `wrapped`: ids below 0 from the end."""
    ids = operations.parameter([-1, -1], np.int32, name="ids")
    places = ids
    if wrapped is not None:
        places = operations.select(operations.less(ids, number(0)), operations.add(ids, number(wrapped)), ids)
    rows = operations.gather(ov.op.Constant(table), places, number(0))
    mask = operations.unsqueeze(operations.convert(operations.not_equal(ids, number(padding)), "f32"), number(2))
    product = operations.multiply(mask, rows) if mask_first else operations.multiply(rows, mask)
    return ids, operations.reduce_sum(product, number(axis), keep_dims)


def wanted_in_between() -> tuple[Any, Any]:
    ids, total = bag()
    product = total.input_value(0)
    return ids, operations.add(total, operations.reduce_max(product, number(1)))


def of_other_ids() -> tuple[Any, Any]:
    """The mask is of other ids than the rows: id 0 is not what is padding."""
    ids = operations.parameter([-1, -1], np.int32, name="ids")
    rows = operations.gather(ov.op.Constant(TABLE), operations.subtract(number(ROWS - 1), ids), number(0))
    mask = operations.unsqueeze(operations.convert(operations.not_equal(ids, number(0)), "f32"), number(2))
    return ids, operations.reduce_sum(operations.multiply(rows, mask), number(1))


def run(made: tuple[Any, Any], *, change: bool) -> tuple[NDArray[Any], list[str]]:
    """What a graph gives, and the kinds of its operations."""
    ids, total = made
    model = ov.Model([total], [ids], "test")
    if change:
        sum_bags(model)
    kinds = [node.get_type_name() for node in model.get_ordered_ops()]
    return answers(model, IDS), kinds


def answers(model: Any, ids: NDArray[np.int32]) -> NDArray[Any]:
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return np.array(compiled([ids])[0])


def test_a_bag_is_one_operation() -> None:
    empty = np.concatenate([np.zeros((1, WIDTH), np.float32), TABLE[1:]])
    for options in ({}, {"table": empty}, {"wrapped": ROWS}, {"mask_first": True}):
        before, _ = run(bag(**options), change=False)
        after, kinds = run(bag(**options), change=True)
        assert np.array_equal(before, after), options
        assert "EmbeddingBagPackedSum" in kinds, options
        assert "Gather" not in kinds, options
        assert not after[2].any(), "a text without ids"


@pytest.mark.parametrize(
    "make",
    [
        wanted_in_between,
        of_other_ids,
        lambda: bag(padding=7),
        lambda: bag(wrapped=ROWS - 1),
        lambda: bag(axis=2),
        lambda: bag(keep_dims=True),
    ],
    ids=["rows wanted", "other ids", "other padding", "other end", "other sum", "other shape"],
)
def test_what_is_no_bag_stays(make: Any) -> None:
    before, _ = run(make(), change=False)
    after, kinds = run(make(), change=True)
    assert np.array_equal(before, after)
    assert "EmbeddingBagPackedSum" not in kinds


def test_a_large_table_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bags, "LARGEST", TABLE.nbytes - 1)
    assert "Gather" in run(bag(), change=True)[1]


@pytest.mark.parametrize("name", ["spam-ngram", "language-ff"])
def test_models_of_bags_say_what_they_said(name: str) -> None:
    """The graphs that we ship have the form that is looked for, and give the same bits."""
    manifest = load_manifest(MODELS / name)
    texts = ["Free entry! Text WIN to 80086 now", "bis morgen, ich freue mich", "ok", "demain à la gare " * 30]
    prepared, _ = prepare_texts(texts, manifest.preprocessing)  # type: ignore[arg-type]
    plain, changed = (ov.Core().read_model(MODELS / name / manifest.graph) for _ in range(2))
    for model in (plain, changed):
        prepare_tables(model)
    sum_bags(changed)
    assert "EmbeddingBagPackedSum" in {node.get_type_name() for node in changed.get_ordered_ops()}
    for _, ids in bag_batches(prepared):
        assert np.array_equal(answers(plain, ids), answers(changed, ids))
