"""Which operations of an image encoder's graph eight bits harm most for what they save."""

from __future__ import annotations

from typing import Any

import openvino as ov

CONVOLUTION, DEPTHWISE = "Convolution", "GroupConvolution"


def sensitive_layers(model: ov.Model) -> list[str]:
    """Names of the operations that stay in floating point; names hold for this reading of the graph alone.

    Measured on validation photos, one layer after the other, by what its going without eight bits gives back of the
    distance between the encoder's grids. Most of it lies in the first convolution and the depthwise one after it, whose
    error every later layer sees; then in the depthwise convolutions of the last size, which are a few percent of all
    multiplications. Sums of blocks and means over cells cost next to nothing in any precision.

    Args:
        model: of constants that are folded, see `fold_constants`.
    """
    steps = model.get_ordered_ops()
    plain = [step for step in steps if step.get_type_name() == CONVOLUTION]
    depthwise = [step for step in steps if step.get_type_name() == DEPTHWISE]
    left = [*plain[:1], *depthwise[:1]]
    if depthwise:
        left += [step for step in depthwise[1:] if _rows(step) == _rows(depthwise[-1])]
    left += [step for step in steps if step.get_type_name() == "ReduceMean" or _adds_branches(step)]
    return [step.get_friendly_name() for step in left]


def _rows(step: Any) -> int:
    return int(step.get_output_partial_shape(0)[2].get_length())


def _adds_branches(step: Any) -> bool:
    """Whether it adds two computed values, not a bias."""
    sources = [value.get_node().get_type_name() for value in step.input_values()]
    return step.get_type_name() == "Add" and "Constant" not in sources
