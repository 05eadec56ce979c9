"""Bits of numbers are the same whichever way a graph takes them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest
from openvino import opset13 as operations
from openvino import opset15

from core.artefacts.manifest import load_manifest
from worker.runtimes.shifts import divide_for_shifts

MODELS = Path(__file__).parents[2] / "models"
RANDOM = np.random.default_rng(0)
NUMBERS = np.concatenate(
    [
        RANDOM.integers(-(1 << 31), 1 << 31, 1_000),
        [0, 1, -1, (1 << 31) - 1, -(1 << 31)],
        *([(1 << at) - 1, 1 << at, -(1 << at), -(1 << at) - 1] for at in range(1, 31)),  # where rounding would show
    ]
).astype(np.int32)


def bits(by: int, mask: int, kind: Any = np.int32) -> Any:
    number = operations.parameter([-1], kind, name="number")
    shifted = opset15.bitwise_right_shift(number, operations.constant(by, kind))
    return ov.Model([operations.bitwise_and(shifted, operations.constant(mask, kind))], [number], "test")


def kinds(model: Any) -> set[str]:
    return {node.get_type_name() for node in model.get_ordered_ops()}


@pytest.mark.parametrize(("by", "mask"), [(21, 255), (0, 255), (7, (1 << 24) - 1), (30, 1), (3, 0b101), (4, 0)])
def test_the_same_bits_without_a_shift(by: int, mask: int) -> None:
    model = bits(by, mask)
    divide_for_shifts(model)
    assert "BitwiseRightShift" not in kinds(model)
    found = ov.Core().compile_model(model, "CPU")([NUMBERS])[0]
    assert np.array_equal(found, (NUMBERS >> by) & mask)


@pytest.mark.parametrize(("by", "mask"), [(1, 1 << 24), (24, 255), (2, -1)])
def test_more_bits_than_are_exact_are_shifted(by: int, mask: int) -> None:
    model = bits(by, mask)
    divide_for_shifts(model)
    assert "BitwiseRightShift" in kinds(model)


@pytest.mark.parametrize("wide", ["by", "mask"])
def test_numbers_that_make_another_shape_are_shifted(wide: str) -> None:
    """Fails if one number in two dimensions were taken for one without: what is given would lose a dimension."""
    number = operations.parameter([-1], np.int32, name="number")
    by, mask = (
        operations.constant([[value]] if name == wide else value, np.int32) for name, value in (("by", 4), ("mask", 7))
    )
    both = operations.bitwise_and(opset15.bitwise_right_shift(number, by), mask)
    model = ov.Model([both], [number], "test")
    divide_for_shifts(model)
    found = ov.Core().compile_model(model, "CPU")([NUMBERS])[0]
    assert np.array_equal(found, [(NUMBERS >> 4) & 7])


def test_other_numbers_are_shifted() -> None:
    model = bits(21, 255, np.int64)
    divide_for_shifts(model)
    assert "BitwiseRightShift" in kinds(model)


def test_the_model_of_sentiment_has_that_form() -> None:
    manifest = load_manifest(MODELS / "sentiment-ngram-conv")
    model = ov.Core().read_model(MODELS / "sentiment-ngram-conv" / manifest.graph)
    assert "BitwiseRightShift" in kinds(model)
    divide_for_shifts(model)
    assert "BitwiseRightShift" not in kinds(model)
