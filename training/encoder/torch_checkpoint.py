"""Read the tensors of a PyTorch checkpoint in its legacy format, without PyTorch and without trusting the file.

The format is five pickles (magic number, protocol, system information, the object, the keys of its storages),
then for each key an int64 count and that many raw little-endian numbers. A pickle can name any function to call,
so only the few names that a state dict needs are let through, and tensors are rebuilt from numpy arrays alone.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
DTYPES = {
    "FloatStorage": "<f4",
    "DoubleStorage": "<f8",
    "HalfStorage": "<f2",
    "LongStorage": "<i8",
    "IntStorage": "<i4",
    "ByteStorage": "|u1",
    "BoolStorage": "|b1",
}


class CheckpointError(ValueError):
    """The file is not a legacy checkpoint of plain tensors."""


@dataclass(slots=True)
class _Storage:
    """A flat run of numbers, filled in after the pickles have been read."""

    dtype: str
    count: int
    values: NDArray[Any] | None = None


@dataclass(frozen=True, slots=True)
class _Tensor:
    """A strided view of a storage that is not there yet; offset and strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self) -> NDArray[Any]:
        values = self.storage.values
        if values is None:
            raise CheckpointError("the file names a storage that it does not contain")
        last = self.offset + sum((n - 1) * step for n, step in zip(self.shape, self.strides, strict=True))
        if self.offset < 0 or min(self.strides, default=0) < 0 or last >= len(values):
            raise CheckpointError("a tensor reaches outside its storage")
        strides = [step * values.itemsize for step in self.strides]
        return np.lib.stride_tricks.as_strided(values[self.offset :], self.shape, strides).copy()


class _Unpickler(pickle.Unpickler):
    """An unpickler that knows state dicts and nothing else."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _rebuild
        if module == "torch" and name in DTYPES:
            return name
        raise CheckpointError(f"the checkpoint asks for {module}.{name}, which is not let through")

    def persistent_load(self, pid: Any) -> _Storage:
        if not (isinstance(pid, tuple) and len(pid) == 6 and pid[0] == "storage" and pid[5] is None):
            raise CheckpointError("the checkpoint refers to something that is not a plain storage")
        _, kind, key, _, count, _ = pid
        return self.storages.setdefault(key, _Storage(DTYPES[kind], count))


def _rebuild(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> _Tensor:
    return _Tensor(storage, offset, shape, strides)


def read_checkpoint(path: Path) -> dict[str, NDArray[Any]]:
    """The tensors of a state dict, by name, as arrays in PyTorch's own layout.

    Args:
        path: a file that `torch.save(model.state_dict())` wrote before PyTorch 1.6, or with its legacy format.

    Raises:
        CheckpointError: the file is something else, is cut short, or asks for code to be run.
    """
    try:
        with path.open("rb") as file:
            return _read(file)
    except (pickle.UnpicklingError, EOFError, struct.error, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{path.name} is not a legacy checkpoint: {error}") from error


def _read(file: BinaryIO) -> dict[str, NDArray[Any]]:
    load: Callable[[], Any] = lambda: _Unpickler(file).load()  # noqa: E731
    if load() != MAGIC or load() != PROTOCOL:
        raise CheckpointError("the magic number is wrong: this is not a legacy checkpoint")
    if not load()["little_endian"]:
        raise CheckpointError("the checkpoint was written on a big-endian machine")
    reader = _Unpickler(file)
    state = reader.load()
    if not isinstance(state, dict) or not all(isinstance(value, _Tensor) for value in state.values()):
        raise CheckpointError("the checkpoint is not a state dict")
    for key in load():
        _fill(reader.storages[key], file)
    return {name: tensor.array() for name, tensor in state.items()}


def _fill(storage: _Storage, file: BinaryIO) -> None:
    (count,) = struct.unpack("<q", file.read(8))
    dtype = np.dtype(storage.dtype)
    raw = file.read(count * dtype.itemsize) if count == storage.count else b""
    if len(raw) != storage.count * dtype.itemsize:
        raise CheckpointError("a storage is shorter than the checkpoint says")
    storage.values = np.frombuffer(raw, dtype)
