"""Which runtime runs a graph, as far as that is known without loading one: the command asks, too, and may load none."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def given_runtime(graph: Path, wanted: str) -> str | None:
    """The only one that comes into question; None where it depends on the machine.

    Args:
        graph: an artefact's graph file. OpenVINO alone reads .xml, and runs .onnx unless "onnx" is wanted.
        wanted: of the settings.
    """
    if graph.suffix == ".xml" or (graph.suffix == ".onnx" and wanted != "onnx"):
        return "openvino"
    return None if wanted == "auto" else wanted


def processor_runtime() -> str:
    """The one of a machine without a card: OpenVINO, and TensorFlow where that is not installed."""
    return "openvino" if find_spec("openvino") is not None else "tensorflow"
