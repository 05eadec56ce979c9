"""Small ONNX files, written without the onnx package: of its protocol buffers only what such graphs need.

Field numbers are those of onnx.proto3, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

FLOAT, INT64 = 1, 7  # TensorProto.DataType
TYPES = {"float32": FLOAT, "int64": INT64}
OPSET, IR_VERSION = 17, 8
Shape = tuple[int | str, ...]  # a string is a length that may vary


@dataclass
class OnnxGraph:
    """A graph that is put together node by node."""

    inputs: dict[str, tuple[str, Shape]]
    outputs: dict[str, tuple[str, Shape]]
    _nodes: list[bytes] = field(default_factory=list)
    _constants: list[bytes] = field(default_factory=list)

    def constant(self, name: str, value: Any) -> str:
        """A constant; its name."""
        array = np.asarray(value)
        dims = b"".join(_int(1, size) for size in array.shape)
        data = dims + _int(2, TYPES[str(array.dtype)]) + _bytes(8, name.encode()) + _bytes(9, array.tobytes())
        self._constants.append(_bytes(5, data))
        return name

    def node(self, op: str, inputs: Iterable[str], output: str, **attributes: int | list[int]) -> str:
        """A node; the name of its output."""
        parts = [_bytes(1, name.encode()) for name in inputs] + [_bytes(2, output.encode()), _bytes(4, op.encode())]
        parts += [_bytes(5, _attribute(name, value)) for name, value in attributes.items()]
        self._nodes.append(_bytes(1, b"".join(parts)))
        return output

    def write(self, path: Path) -> None:
        """Write the file."""
        ports = [_bytes(11, _value(*one)) for one in _flat(self.inputs)] + [
            _bytes(12, _value(*one)) for one in _flat(self.outputs)
        ]
        graph = b"".join([*self._nodes, _bytes(2, b"graph"), *self._constants, *ports])
        opset = _bytes(1, b"") + _int(2, OPSET)
        path.write_bytes(_int(1, IR_VERSION) + _bytes(7, graph) + _bytes(8, opset))


def _flat(ports: Mapping[str, tuple[str, Shape]]) -> list[tuple[str, str, Shape]]:
    return [(name, dtype, shape) for name, (dtype, shape) in ports.items()]


def _value(name: str, dtype: str, shape: Shape) -> bytes:
    sizes = [_int(1, size) if isinstance(size, int) else _bytes(2, size.encode()) for size in shape]
    tensor = _int(1, TYPES[dtype]) + _bytes(2, b"".join(_bytes(1, size) for size in sizes))
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor))


def _attribute(name: str, value: int | list[int]) -> bytes:
    if isinstance(value, int):
        return _bytes(1, name.encode()) + _int(3, value) + _int(20, 2)
    return _bytes(1, name.encode()) + b"".join(_int(8, one) for one in value) + _int(20, 7)


def _int(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value % (1 << 64))


def _bytes(number: int, value: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    parts = []
    while True:
        value, low = value >> 7, value & 0x7F
        parts.append(low | (0x80 if value else 0))
        if not value:
            return bytes(parts)
