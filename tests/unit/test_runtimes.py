"""Which runtime is chosen, and what is said where it is missing."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from core.errors import ArtefactError
from worker.models.load import KINDS
from worker.runtimes import choose


@pytest.mark.parametrize(
    ("device", "sees", "installed", "expected"),
    [
        (True, True, ("tensorflow", "openvino"), "tensorflow"),
        (True, False, ("tensorflow", "openvino"), "openvino"),
        (True, True, ("openvino",), "openvino"),
        (False, True, ("tensorflow", "openvino"), "openvino"),
        (False, False, ("tensorflow",), "tensorflow"),
    ],
)
def test_auto(
    monkeypatch: pytest.MonkeyPatch, device: bool, sees: bool, installed: tuple[str, ...], expected: str
) -> None:
    monkeypatch.setattr(choose, "_gpu_device", lambda: device)
    monkeypatch.setattr(choose, "_tensorflow_sees_gpu", lambda: sees)
    monkeypatch.setattr(choose, "find_spec", lambda name: name in installed or None)
    assert choose.choose() == expected


def test_missing_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(choose.RUNTIMES, "openvino", "worker.runtimes.not_there.Runtime")
    with pytest.raises(ArtefactError, match="openvino is not installed") as caught:
        choose.load_runtime(Path("graph.pb"), "openvino")
    assert caught.value.code == "runtime_missing"


@pytest.mark.parametrize("path", [*choose.RUNTIMES.values(), *KINDS.values()])
def test_every_entry_can_be_imported(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert callable(getattr(import_module(module), name))
