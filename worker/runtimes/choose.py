"""Choosing the runtime of an artefact; only that one is imported."""

from __future__ import annotations

import logging
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from core.artefacts.onnx_export import export_folder, is_exported, read_export
from core.artefacts.runtimes import given_runtime, processor_runtime
from core.cards import cards
from core.errors import ArtefactError
from worker.runtimes.runtime import Runtime

log = logging.getLogger(__name__)

RUNTIMES = {
    "onnx": "worker.runtimes.onnx.OnnxRuntime",
    "openvino": "worker.runtimes.openvino.OpenVinoRuntime",
    "tensorflow": "worker.runtimes.tensorflow.TensorFlowRuntime",
}


def runtime_of(graph: Path, wanted: str = "auto") -> str:
    """The name of the runtime that runs a graph file; arguments as of `load_runtime`."""
    return given_runtime(graph, wanted) or choose(graph)


def onnx_compute(graph: Path, wanted: str) -> str:
    """What ONNX Runtime computes a graph in: "f16" if that is wanted, there is a card, and such an export; else "f32".

    A processor has nothing of half precision: it would compute in single precision, and convert.
    """
    return "f16" if wanted == "f16" and is_exported(graph, "f16") and _sees_gpu("onnx") else "f32"


def load_runtime(graph: Path, wanted: str = "auto", compute: str = "f32", streams: int = 0) -> Runtime:
    """The graph, loaded into a runtime.

    Args:
        graph: the artefact's graph file.
        wanted: "openvino", "tensorflow", "onnx", or "auto": see `choose`. An .xml file is always OpenVINO's, which
            alone reads it, and an .onnx file is OpenVINO's unless "onnx" is wanted.
        compute: what floating-point numbers are computed in; TensorFlow always computes in "f32".
        streams: batches in flight at a time; 0, and always with TensorFlow: the runtime's own number.

    Raises:
        ArtefactError: `runtime_missing`, the runtime is not installed; `graph_unreadable`; with "onnx" also
            `export_missing` or `export_outdated`.
    """
    name = runtime_of(graph, wanted)
    module, _, attribute = RUNTIMES[name].rpartition(".")
    more: dict[str, Any] = {} if name == "tensorflow" else {"compute": compute}
    if name == "openvino":
        more["streams"] = streams
    try:
        made = getattr(import_module(module), attribute)(graph, **more)
    except (ImportError, OSError) as error:  # OSError: a library that it needs is not there
        raise ArtefactError("runtime_missing", f"the runtime {name} is not installed: {error}") from error
    return cast(Runtime, made)


def choose(graph: Path | None = None) -> str:
    """The runtime for "auto" on this machine.

    On a card ONNX Runtime for a graph that was exported for it, else TensorFlow; without one, or where neither sees it,
    OpenVINO, and TensorFlow where that is not installed.

    Args:
        graph: of an artefact, which may have been exported.
    """
    if cards():  # without one, neither need be imported to be asked, which is slow
        if graph is not None and is_exported(graph) and _sees_gpu("onnx") and _usable(graph):
            return "onnx"
        if _sees_gpu("tensorflow"):
            return "tensorflow"
    return processor_runtime()


def _sees_gpu(runtime: str) -> bool:
    """Whether a runtime is installed and sees a card."""
    try:
        return bool(import_module(f"worker.runtimes.{runtime}").gpu_visible())
    except Exception:  # it is not installed, or whatever the import of one raises that does not fit
        return False


def _usable(graph: Path) -> bool:
    """Whether an export is of the graph as it is now: a forgotten one must not keep a worker from starting."""
    files = [graph, *sorted(export_folder(graph, "f32").glob("*"))]
    return _is_of_graph(graph, tuple((path, _stamp(path)) for path in files))


def _stamp(path: Path) -> tuple[int, ...] | None:
    """What changes when a file does; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@lru_cache
def _is_of_graph(graph: Path, stamps: tuple[Any, ...]) -> bool:
    """Reads some 100 MB, and it is asked for every model, again and again: once for each state of the files."""
    try:
        read_export(graph, "f32")
    except ArtefactError as error:
        log.warning("an export is not used: %s", error, extra={"code": error.code})
        return False
    return True
