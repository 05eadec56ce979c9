"""Run a graph with TensorFlow: on a GPU if there is one. The only file of the worker that imports TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ArtefactError
from worker.runtimes.runtime import inputs_wrong


def gpu_visible() -> bool:
    """Whether TensorFlow is installed and sees a GPU."""
    try:
        import tensorflow as tf
    except Exception:  # whatever the import of one raises that does not fit: ImportError, OSError, TypeError
        return False
    return bool(tf.config.list_physical_devices("GPU"))


class TensorFlowRuntime:
    """A frozen GraphDef as one function per set of wanted outputs."""

    name = "tensorflow"

    def __init__(self, graph: Path) -> None:
        """Read the graph.

        Raises:
            ArtefactError: `graph_unreadable`.
        """
        import tensorflow as tf

        self._tf = tf
        self._graph = graph
        self._lock = threading.Lock()
        self._functions: dict[tuple[str, ...], tuple[tuple[str, ...], Any]] = {}
        self._definition = tf.compat.v1.GraphDef()
        try:
            self._definition.ParseFromString(graph.read_bytes())
        except Exception as error:  # protobuf's DecodeError has no stable home
            raise ArtefactError("graph_unreadable", f"TensorFlow cannot read {graph.name}: {error}") from error
        gpus = tf.config.list_physical_devices("GPU")
        for gpu in gpus:
            _share_memory(tf, gpu)
        # Cards from Ampere on would compute "f32" with 10 bits of mantissa, and results would not say so.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        self.device = "cuda" if gpus else "cpu"
        self.streams = 1 if gpus else 2  # a GPU runs one batch at a time; on a CPU a second hides the gaps

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        inputs, function = self._function(tuple(outputs))
        if feeds.keys() != set(inputs):
            raise inputs_wrong(self._graph, inputs, feeds)
        tensors = function(*(self._tf.constant(feeds[name]) for name in inputs))
        # numpy() may lend TensorFlow's own memory: the caller gets its own.
        return {name: np.array(tensor.numpy()) for name, tensor in zip(outputs, tensors, strict=True)}

    def _function(self, outputs: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
        function = self._functions.get(outputs)
        if function is None:
            with self._lock:
                function = self._functions.get(outputs) or self._prune(outputs)
                self._functions[outputs] = function
        return function

    def _prune(self, outputs: tuple[str, ...]) -> tuple[tuple[str, ...], Any]:
        """The names of the inputs that some outputs are computed from, and the function from those to these."""
        nodes = {node.name: node for node in self._definition.node}
        missing = [name for name in outputs if name not in nodes]
        if missing:
            raise ArtefactError("graph_output_missing", f"{self._graph.name} has no output {missing[0]!r}")
        inputs = tuple(name for name in _behind(outputs, nodes) if nodes[name].op == "Placeholder")
        element = self._imported.graph.as_graph_element
        ports = ([element(f"{name}:0") for name in names] for names in (inputs, outputs))
        return inputs, self._imported.prune(*ports)

    @cached_property
    def _imported(self) -> Any:
        """The whole graph in TensorFlow's memory, of which every set of outputs is a part."""
        v1, definition = self._tf.compat.v1, self._definition
        return v1.wrap_function(lambda: v1.import_graph_def(definition, name=""), [])


def _behind(outputs: Sequence[str], nodes: Mapping[str, Any]) -> list[str]:
    """The names of the nodes that some outputs are computed from, themselves included."""
    seen: dict[str, None] = {}
    waiting = list(outputs)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen[name] = None
            waiting.extend(source.lstrip("^").split(":")[0] for source in nodes[name].input)
    return list(seen)


def _share_memory(tf: Any, gpu: Any) -> None:
    """Take GPU memory as it is needed instead of all at once; once TensorFlow has begun it is too late."""
    try:
        tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:
        pass
