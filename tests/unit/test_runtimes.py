"""Which runtime is chosen, and what is said where it is missing."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import ArtefactError
from tests.support.cards import machine
from worker.models.load import KINDS
from worker.runtimes import choose, seen
from worker.runtimes.tensorflow import gpu_visible


@pytest.mark.parametrize(
    ("device", "sees", "installed", "expected"),
    [
        (True, ("tensorflow",), ("tensorflow", "openvino"), "tensorflow"),
        (True, (), ("tensorflow", "openvino"), "openvino"),
        (True, (), ("openvino",), "openvino"),
        (False, ("tensorflow",), ("tensorflow", "openvino"), "openvino"),
        (False, (), ("tensorflow",), "tensorflow"),
        (True, ("onnx",), ("openvino",), "openvino"),
        (True, ("onnx", "tensorflow"), ("tensorflow", "openvino"), "tensorflow"),
    ],
)
def test_auto(
    monkeypatch: pytest.MonkeyPatch, device: bool, sees: tuple[str, ...], installed: tuple[str, ...], expected: str
) -> None:
    machine(monkeypatch, device, sees, installed)
    assert choose.choose() == expected


def test_a_runtime_that_is_not_installed_sees_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    monkeypatch.delitem(sys.modules, "worker.runtimes.onnx", raising=False)
    monkeypatch.setattr(choose, "cards", lambda: ["NVIDIA T4"])
    assert not choose._sees_gpu("onnx")


def broken_tensorflow(monkeypatch: pytest.MonkeyPatch, folder: Path, error: str) -> None:
    """A package that is found, and whose import raises."""
    (folder / "tensorflow.py").write_text(f"raise {error}")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)


@pytest.mark.parametrize("error", ["ImportError('numpy')", "OSError('libcudart.so.12')", "TypeError('protobuf')"])
def test_a_tensorflow_that_cannot_be_imported_sees_no_card(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: str
) -> None:
    """Would fail if a package that is there, and whose libraries are not, ended the doctor's question or a worker."""
    broken_tensorflow(monkeypatch, tmp_path, error)
    monkeypatch.setattr(seen, "cards", lambda: ["NVIDIA T4"])
    assert not gpu_visible()
    assert "sees no card" in (seen._tensorflow() or "")
    assert not choose._sees_gpu("tensorflow")


@pytest.mark.parametrize("error", ["ImportError('numpy')", "OSError('libcudart.so.12')"])
def test_a_runtime_without_its_libraries_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: str
) -> None:
    broken_tensorflow(monkeypatch, tmp_path, error)
    with pytest.raises(ArtefactError, match="runtime_missing"):
        choose.load_runtime(tmp_path / "graph.pb", "tensorflow")


def test_missing_runtime_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(choose.RUNTIMES, "openvino", "worker.runtimes.not_there.Runtime")
    with pytest.raises(ArtefactError, match="openvino is not installed") as caught:
        choose.load_runtime(Path("graph.pb"), "openvino")
    assert caught.value.code == "runtime_missing"


# What is no dependency of the service cannot be imported everywhere.
INSTALLED = [path for name, path in choose.RUNTIMES.items() if name != "onnx" or find_spec("onnxruntime")]


@pytest.mark.parametrize("path", [*INSTALLED, *KINDS.values()])
def test_every_entry_can_be_imported(path: str) -> None:
    module, _, name = path.rpartition(".")
    assert callable(getattr(import_module(module), name))


@pytest.mark.parametrize("name", ["openvino", "tensorflow", "onnx"])
def test_a_graph_runs_in_parts(tmp_path: Path, name: str) -> None:
    """Two parts in one file: what runs lies between what is fed and what is wanted."""
    pytest.importorskip("tensorflow")
    from training.common.export import write_parts

    def call(given: Any) -> Any:
        return {"sum": given["a"] + given["b"], "twice": given["a"] * 2, "shout": -given["c"]}

    write_parts(tmp_path / "graph.pb", call, dict.fromkeys("abc", ("float32", (None, 2))))
    if name == "onnx":
        for package in ("tf2onnx", "onnxruntime"):
            pytest.importorskip(package)
        from training.common.onnx.onnx_write import write_export

        write_export(tmp_path / "graph.pb", ["sum", "twice", "shout"])
    runtime = choose.load_runtime(tmp_path / "graph.pb", name)
    a, b = np.ones((3, 2), np.float32), np.full((3, 2), 5, np.float32)
    assert (runtime.run({"b": b, "a": a}, ("sum",))["sum"] == 6).all()
    assert (runtime.run({"a": a}, ("twice",))["twice"] == 2).all()
    assert (runtime.run({"c": b[:1]}, ("shout",))["shout"] == -5).all()
    both = runtime.run({"a": a, "b": b}, ("twice", "sum"))
    assert list(both) == ["twice", "sum"]
    assert (both["sum"] - both["twice"] == 4).all()
    for feeds, outputs, code in (
        ({"a": a}, ("sum",), "graph_input_wrong"),
        ({"a": a, "b": b, "c": a}, ("sum",), "graph_input_wrong"),
        ({"a": a, "b": b}, ("sum", "nothing"), "graph_output_missing"),
    ):
        with pytest.raises(ArtefactError) as caught:
            runtime.run(feeds, outputs)
        assert caught.value.code == code


SIGNALLED = """
import gc, os, signal, sys
from pathlib import Path
import numpy as np
from worker.runtimes.openvino import OpenVinoRuntime
feeds = {name: np.ones((1, 4), np.int64) for name in ("input_ids", "attention_mask", "token_type_ids")}
two = [OpenVinoRuntime(Path(sys.argv[1])) for _ in range(2)]
for runtime in two:
    runtime.run(feeds, ("last_hidden_state",))
del runtime
for _ in range(2):
    del two[0]  # the first goes first, as when a worker refuses one artefact and serves another
    gc.collect()
signal.signal(signal.SIGHUP, lambda *_: print("heard", flush=True))
os.kill(os.getpid(), signal.SIGHUP)
"""


def test_a_signal_does_no_harm_after_models_have_come_and_gone() -> None:
    """OpenVINO gives the main thread a stack for signals; were it taken away while in use, a signal would kill."""
    graph = Path(__file__).resolve().parents[2] / "models" / "minilm-l6" / "graph.onnx"
    done = subprocess.run([sys.executable, "-c", SIGNALLED, str(graph)], capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout.strip()) == (0, "heard"), done.stderr
