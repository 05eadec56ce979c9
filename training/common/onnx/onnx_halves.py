"""The same ONNX model, computed in half precision; what goes in and comes out stays as it was."""

from __future__ import annotations

from typing import Any

# What adds up, divides by what was added up, or raises to a power: halves end at 65,504, and lose what is small.
IN_SINGLE = (
    "Erf", "Exp", "Log", "LogSoftmax", "Pow", "Reciprocal", "ReduceMean", "ReduceSum", "Softmax", "Sqrt",
)  # fmt: skip


def halved(model: Any) -> Any:
    """A ModelProto whose weights and products are float16, by ONNX Runtime's own converter.

    Args:
        model: in float32; changed.
    """
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    return convert_float_to_float16(model, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *IN_SINGLE])
