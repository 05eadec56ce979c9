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


def runtime_of(graph: Path, wanted: str = "auto") -> str:
    """The name of the runtime that runs a graph file; arguments as of `load_runtime`."""
    if graph.suffix in (".onnx", ".xml"):
        return "openvino"
    return choose() if wanted == "auto" else wanted


def load_runtime(graph: Path, wanted: str = "auto", compute: str = "f32", streams: int = 0) -> Runtime:
    """The graph, loaded into a runtime.

    Args:
        graph: the artefact's graph file.
        wanted: "openvino", "tensorflow", or "auto": TensorFlow where it sees a GPU, else OpenVINO, else
            TensorFlow. An .onnx or .xml file is always OpenVINO's, which alone reads it.
        compute: what floating-point numbers are computed in; TensorFlow always computes in "f32".
        streams: batches in flight at a time; 0, and always with TensorFlow: the runtime's own number.

    Raises:
        ArtefactError: `runtime_missing`, the runtime is not installed; `graph_unreadable`.
    """
    name = runtime_of(graph, wanted)
    module, _, attribute = RUNTIMES[name].rpartition(".")
    more = {"compute": compute, "streams": streams} if name == "openvino" else {}
    try:
        made = getattr(import_module(module), attribute)(graph, **more)
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
