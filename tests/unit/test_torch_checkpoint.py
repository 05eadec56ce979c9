"""The checkpoint reader takes plain tensors and nothing else."""

from __future__ import annotations

import os
import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training.encoder.fold_batch_norm import fold
from training.encoder.torch_checkpoint import DTYPES, MAGIC, PROTOCOL, CheckpointError, read_checkpoint

VALUES = np.arange(12, dtype=np.float32)


def opcodes(shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, count: int = 12) -> bytes:
    """A state dict {"w": tensor} as torch pickles it, written by hand since torch is not here."""

    def ints(values: tuple[int, ...]) -> bytes:
        return b"(" + b"".join(b"K" + bytes([value]) for value in values) + b"t"

    storage = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x00aX\x03\0\0\0cpuK" + bytes([count]) + b"NtQ"
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n(" + storage + b"K" + bytes([offset]) + ints(shape) + ints(strides)
    tensor += b"\x89ccollections\nOrderedDict\n)RtR"
    return b"\x80\x02ccollections\nOrderedDict\n)R(X\x01\0\0\x00w" + tensor + b"u."


def write(path: Path, state: bytes, data: bytes | None = None, little: bool = True) -> Path:
    head = [pickle.dumps(value, 2) for value in (MAGIC, PROTOCOL, {"little_endian": little})]
    raw = struct.pack("<q", 12) + VALUES.tobytes() if data is None else data
    path.write_bytes(b"".join([*head, state, pickle.dumps(["a"], 2), raw]))
    return path


def test_tensor_and_strided_view(tmp_path: Path) -> None:
    whole = read_checkpoint(write(tmp_path / "a", opcodes((3, 4), (4, 1))))
    assert (whole["w"] == VALUES.reshape(3, 4)).all()
    turned = read_checkpoint(write(tmp_path / "b", opcodes((2, 3), (1, 4), offset=1)))
    assert (turned["w"] == VALUES.reshape(3, 4).T[1:3]).all()
    assert (read_checkpoint(write(tmp_path / "c", opcodes((), (), offset=5)))["w"] == 5).all()


def test_tensor_outside_its_storage(tmp_path: Path) -> None:
    for state in (opcodes((4, 4), (4, 1)), opcodes((1,), (1,), offset=12), opcodes((2,), (200,))):
        with pytest.raises(CheckpointError, match="outside"):
            read_checkpoint(write(tmp_path / "a", state))


def test_file_cut_short(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", opcodes((3, 4), (4, 1))).read_bytes()
    for length in range(0, len(whole), 7):
        (tmp_path / "cut").write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(tmp_path / "cut")


def test_wrong_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="big-endian"):
        read_checkpoint(write(tmp_path / "a", opcodes((3, 4), (4, 1)), little=False))
    with pytest.raises(CheckpointError, match="state dict"):
        read_checkpoint(write(tmp_path / "a", pickle.dumps(OrderedDict(w=1), 2)))
    for content in (b"", b"PK\x03\x04", pickle.dumps(1, 2), b"\x80\x02\x8a"):
        (tmp_path / "b").write_bytes(content)
        with pytest.raises(CheckpointError):
            read_checkpoint(tmp_path / "b")


class Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    target = tmp_path / "made"
    path = write(tmp_path / "a", pickle.dumps({"w": Attack(target)}, 2))
    with pytest.raises(CheckpointError, match="mkdir, which is not let through"):
        read_checkpoint(path)
    (tmp_path / "first").write_bytes(pickle.dumps(Attack(target), 2))
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "first")
    assert not target.exists()


def test_every_storage_has_a_type() -> None:
    assert all(np.dtype(dtype).itemsize in (1, 2, 4, 8) for dtype in DTYPES.values())


def test_fold_is_a_convolution_and_its_normalisation() -> None:
    random = np.random.default_rng(0)
    weight, x = random.normal(size=(4, 3, 1, 1)).astype(np.float32), random.normal(size=3).astype(np.float32)
    norm = {
        key: random.uniform(0.5, 2, 4).astype(np.float32) for key in ("weight", "bias", "running_mean", "running_var")
    }
    state = {"c.weight": weight, **{f"n.{key}": value for key, value in norm.items()}}
    kernel, bias = fold(state, "c", "n")
    plain = weight[:, :, 0, 0] @ x
    expected = (plain - norm["running_mean"]) / np.sqrt(norm["running_var"] + 1e-3) * norm["weight"] + norm["bias"]
    assert np.abs(kernel[:, :, 0, 0] @ x + bias - expected).max() < 1e-5
