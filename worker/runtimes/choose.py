"""Choosing the runtime of an artefact; only that one is imported."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import cast

from core.errors import ArtefactError
from worker.runtimes.runtime import Runtime

RUNTIMES = {
    "openvino": "worker.runtimes.openvino.OpenVinoRuntime",
    "tensorflow": "worker.runtimes.tensorflow.TensorFlowRuntime",
}


def load_runtime(graph: Path, wanted: str = "auto") -> Runtime:
    """The graph, loaded into a runtime.

    Args:
        graph: the artefact's graph file.
        wanted: "openvino", "tensorflow", or "auto": TensorFlow where it sees a GPU, else OpenVINO, else
            TensorFlow. An .onnx file is always OpenVINO's, which alone reads it.

    Raises:
        ArtefactError: `runtime_missing`, the runtime is not installed; `graph_unreadable`.
    """
    if graph.suffix == ".onnx":
        wanted = "openvino"
    name = choose() if wanted == "auto" else wanted
    module, _, attribute = RUNTIMES[name].rpartition(".")
    try:
        made = getattr(import_module(module), attribute)(graph)
    except ImportError as error:
        raise ArtefactError("runtime_missing", f"the runtime {name} is not installed: {error}") from error
    return cast(Runtime, made)


def choose() -> str:
    """The runtime for "auto" on this machine."""
    if _gpu_device() and find_spec("tensorflow") is not None and _tensorflow_sees_gpu():
        return "tensorflow"
    return "openvino" if find_spec("openvino") is not None else "tensorflow"


def _gpu_device() -> bool:
    """Whether there is an accelerator at all; without one, TensorFlow need not be imported to ask, which is slow."""
    return any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg"))


def _tensorflow_sees_gpu() -> bool:
    return bool(import_module("worker.runtimes.tensorflow").gpu_visible())
