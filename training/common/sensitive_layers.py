"""Which operations of an image encoder's graph eight bits harm most for what they save."""

from __future__ import annotations

from typing import Any

import openvino as ov

CONVOLUTION, DEPTHWISE = "Convolution", "GroupConvolution"
LARGE = 32  # rows from which on layers that gather are left alone; inner products over many channels suffer less


def sensitive_layers(model: ov.Model) -> list[str]:
    """Names of the operations that stay in floating point; names hold for this reading of the graph alone.

    Measured on validation photos, by how far from single precision the encoder's grid is when only the weights of some
    layers, or only their inputs, are rounded: three quarters of the error are weights. Most of it lies in the first
    convolution, in the projections and depthwise convolutions of the large sizes, whose error every later layer sees,
    and in the inputs of the depthwise convolutions of the last size, which are a few percent of all multiplications.
    Sums of blocks and means over cells cost next to nothing in any precision. (docs/decisions/0160)

    Args:
        model: of constants that are folded, see `fold_constants`.
    """
    steps = model.get_ordered_ops()
    plain = [step for step in steps if step.get_type_name() == CONVOLUTION]
    depthwise = [step for step in steps if step.get_type_name() == DEPTHWISE]
    left = [*plain[:1], *(step for step in plain[1:] if _rows(step) > LARGE and _projects(step))]
    if depthwise:
        sizes = [_rows(step) for step in depthwise]
        left += [step for step, rows in zip(depthwise, sizes, strict=True) if rows > 2 * LARGE or rows == sizes[-1]]
    left += [step for step in steps if step.get_type_name() == "ReduceMean" or _adds_branches(step)]
    return [step.get_friendly_name() for step in left]


def _rows(step: Any) -> int:
    return int(step.get_output_partial_shape(0)[2].get_length())


def _projects(step: Any) -> bool:
    """Whether it makes few channels of many."""
    into, out = (shape[1].get_length() for shape in (step.get_input_partial_shape(0), step.get_output_partial_shape(0)))
    return bool(out < into)


def _adds_branches(step: Any) -> bool:
    """Whether it adds two computed values, not a bias."""
    sources = [value.get_node().get_type_name() for value in step.input_values()]
    return step.get_type_name() == "Add" and "Constant" not in sources
