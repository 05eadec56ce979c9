"""Run a graph with ONNX Runtime, on a CUDA card where it finds one: an ONNX file, or the export of an artefact's graph.

ONNX Runtime is no dependency of the service: whoever has a card installs `onnxruntime-gpu` and exports the graphs that
shall run there (docs/operations.md). The only file of the worker that imports it.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from core.artefacts.onnx_export import OnnxPart, export_folder, parts_for, read_export, sha256_of
from core.errors import ArtefactError
from worker.runtimes.runtime import inputs_wrong

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
CUDA_OPTIONS = {
    # Cards from Ampere on would compute "f32" with 10 bits of mantissa, and results would not say so.
    "use_tf32": "0",
    # Batches come in many sizes, and the exhaustive search, the default, starts anew for each.
    "cudnn_conv_algo_search": "HEURISTIC",
    # Memory of the card is taken as it is needed, not in powers of two.
    "arena_extend_strategy": "kSameAsRequested",
}
FATAL = 4  # of the levels of ONNX Runtime's log: what goes wrong is raised, or said by us
# An ONNX model of one Identity. Whether it gets onto a card tells whether anything does.
IDENTITY = bytes.fromhex(
    "080812003a370a100a017812017922084964656e746974791201695a0f0a0178120a"
    "0a08080112040a020801620f0a0179120a0a08080112040a02080142040a001011"
)


@functools.cache
def cuda_missing() -> str | None:
    """What keeps ONNX Runtime from a card, for people; None if nothing does."""
    if CUDA not in onnxruntime.get_available_providers():
        return f"onnxruntime {onnxruntime.__version__} is for processors alone: install onnxruntime-gpu in its place"
    try:
        if _session(IDENTITY, (CUDA, CPU)).get_providers()[0] == CUDA:
            return None
    except Exception as error:  # whatever a driver says
        return f"onnxruntime-gpu cannot use the card: {error}"
    return "onnxruntime-gpu finds no card, or not its CUDA and cuDNN: pip install 'onnxruntime-gpu[cuda,cudnn]'"


def gpu_visible() -> bool:
    """Whether ONNX Runtime gets onto a card."""
    return cuda_missing() is None


class OnnxRuntime:
    """The parts of a graph, a session each; a run takes those that give what is wanted.

    ONNX Runtime wants all the inputs of a file and computes all of it, so each part of an artefact's graph is a file of
    its own. Of a file that is no export, all outputs are taken to be computed from all inputs. A part is loaded when it
    is first run, which for those that a model runs is when it is warmed up: the others take no memory of the card.
    """

    name = "onnx"

    def __init__(self, graph: Path, compute: str = "f32", providers: Sequence[str] = (CUDA, CPU)) -> None:
        """Load the graph.

        Args:
            graph: an ONNX file, or an artefact's graph that has been exported.
            compute: "f32", or "f16": the export in half precision; inputs and outputs stay what they are.
            providers: ONNX Runtime's, the one to be preferred first; those it was not built with are left out.

        Raises:
            ArtefactError: `graph_unreadable`; `export_missing`, `export_outdated`.
        """
        self._graph, self._providers = graph, providers
        self._lock = threading.Lock()
        self._sessions: dict[str, Any] = {}
        if graph.suffix == ".onnx":
            self._parts: tuple[OnnxPart, ...] = (self._whole(),)
        else:
            self._folder, self._parts = export_folder(graph, compute), read_export(graph, compute).parts
        self.device = "cuda" if CUDA in providers and gpu_visible() else "cpu"
        self.streams = 1 if self.device == "cuda" else 2  # a card runs one batch at a time; else a second hides gaps

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        try:
            chosen = parts_for(self._parts, outputs)
        except KeyError as error:
            message = f"{self._graph.name} has no output {error.args[0]!r}"
            raise ArtefactError("graph_output_missing", message) from None
        inputs = {name for part, _ in chosen for name in part.inputs}
        if feeds.keys() != inputs:
            raise inputs_wrong(self._graph, inputs, feeds)
        found: dict[str, NDArray[Any]] = {}
        for part, wanted in chosen:
            given = {name: np.ascontiguousarray(feeds[name]) for name in part.inputs}
            found.update(zip(wanted, self._session(part.file).run(wanted, given), strict=True))
        return {name: found[name] for name in outputs}

    def _session(self, file: str) -> Any:
        session = self._sessions.get(file)
        if session is None:
            with self._lock:
                session = self._sessions.get(file) or self._read(file)
                self._sessions[file] = session
        return session

    def _read(self, file: str) -> Any:
        try:
            return _session(self._folder / file, self._providers)
        except Exception as error:  # the classes of its errors have no stable home
            reason = str(error).strip().splitlines()[-1]
            raise ArtefactError("graph_unreadable", f"ONNX Runtime cannot read {file}: {reason}") from error

    def _whole(self) -> OnnxPart:
        """A file that is no export, as its one part."""
        self._folder, name = self._graph.parent, self._graph.name
        session = self._session(name)
        inputs, outputs = ([one.name for one in ends] for ends in (session.get_inputs(), session.get_outputs()))
        return OnnxPart(file=name, sha256=sha256_of(self._graph), inputs=tuple(inputs), outputs=tuple(outputs))


def _session(model: Path | bytes, providers: Sequence[str]) -> Any:
    available = onnxruntime.get_available_providers()
    chosen = [name for name in providers if name in available]
    if CUDA in chosen:
        onnxruntime.preload_dlls()  # CUDA and cuDNN from their wheels, if they are installed so
    options = onnxruntime.SessionOptions()
    options.log_severity_level = FATAL
    options.intra_op_num_threads = _cores()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # decoding threads share these cores
    named = [(name, CUDA_OPTIONS if name == CUDA else {}) for name in chosen]
    # Without its fallback, which after a failure on the card would go on at the processor's speed and tell nobody.
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model), options, providers=named, enable_fallback=0
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
