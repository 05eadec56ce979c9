"""Run a graph on the CPU with OpenVINO, which needs neither TensorFlow nor a GPU. It reads TensorFlow and ONNX."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from core.errors import ArtefactError
from core.processor import usable_cores
from worker.runtimes.bags import sum_bags
from worker.runtimes.runtime import inputs_wrong
from worker.runtimes.shifts import divide_for_shifts
from worker.runtimes.tables import prepare_tables


@functools.cache
def _core() -> Any:
    """The one OpenVINO core of this process, which is never released.

    On processors with AMX each gives the thread that made it a stack for signal handlers, and takes it away when it
    goes, whichever is in use by then: with several, the next signal (SIGTERM, SIGHUP) would kill the process.
    """
    return ov.Core()


class OpenVinoRuntime:
    """A graph compiled for the CPU: networks for sets of wanted outputs, each with a pool of requests.

    Every request keeps the memory that a batch needs on its way (an encoder's 200 MB at 16 photos). So a set of outputs
    that a network gives among others, from the same inputs, does not get one of its own.
    """

    name, device = "openvino", "cpu"

    def __init__(self, graph: Path, compute: str = "f32", streams: int = 0) -> None:
        """Read the graph; it is compiled when a set of outputs is first asked for.

        Args:
            graph: TensorFlow's (.pb), ONNX's (.onnx) or OpenVINO's own (.xml, its weights beside it in .bin).
            compute: "f32", or "bf16" where the processor has that; inputs and outputs stay what they are.
            streams: batches in flight at a time; 0: as many as suit the cores.

        Raises:
            ArtefactError: `graph_unreadable`.
        """
        self._graph = graph
        self._compute = compute
        self._lock = threading.Lock()
        self._pools: dict[frozenset[str], _RequestPool] = {}
        self._model = self._read()
        cores = usable_cores()
        # One thread a stream is the fastest for batches on few cores; on many, streams of two keep latency sane.
        self._threads = cores
        self.streams = streams or (cores if cores <= 4 else (cores + 1) // 2)

    def run(self, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        pool = self._pool(frozenset(outputs))
        if feeds.keys() != set(pool.inputs):
            raise inputs_wrong(self._graph, pool.inputs, feeds)
        return pool.run([np.ascontiguousarray(feeds[name]) for name in pool.inputs], outputs)

    def _read(self) -> Any:
        try:
            model = _core().read_model(self._graph)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ArtefactError("graph_unreadable", f"OpenVINO cannot read {self._graph.name}: {reason}") from error
        prepare_tables(model)
        sum_bags(model)
        divide_for_shifts(model)
        return model

    def _pool(self, outputs: frozenset[str]) -> _RequestPool:
        pool = self._pools.get(outputs)
        if pool is None:
            with self._lock:
                pool = self._pools.get(outputs) or self._find_or_compile(outputs)
                self._pools[outputs] = pool
        return pool

    def _find_or_compile(self, outputs: frozenset[str]) -> _RequestPool:
        known = {name.split(":")[0]: port for port in self._model.outputs for name in port.get_names()}
        missing = sorted(outputs - known.keys())
        if missing:
            raise ArtefactError("graph_output_missing", f"{self._graph.name} has no output {missing[0]!r}")
        wanted = [known[name].node for name in sorted(outputs)]
        parameters = _parameters_behind(wanted)
        names = tuple(_name(parameter.output(0)) for parameter in parameters)
        for there, pool in self._pools.items():
            if outputs < there and set(pool.inputs) == set(names):
                return pool
        return self._compile(ov.Model(wanted, parameters, "part").clone(), names, sorted(outputs))

    def _compile(self, part: Any, inputs: tuple[str, ...], outputs: Sequence[str]) -> _RequestPool:
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": self.streams,
            "INFERENCE_NUM_THREADS": self._threads,
            # Always said: some CPUs would choose bfloat16 by themselves, and results would not say so.
            "INFERENCE_PRECISION_HINT": self._compute,
            "ENABLE_CPU_PINNING": False,  # decoding threads share these cores
        }
        return _RequestPool(_core().compile_model(part, "CPU", settings), inputs, outputs, self.streams)


def _parameters_behind(results: Iterable[Any]) -> list[Any]:
    """The parameters that some results are computed from."""
    seen: dict[str, Any] = {}
    waiting = list(results)
    while waiting:
        node = waiting.pop()
        if node.get_name() not in seen:
            seen[node.get_name()] = node
            waiting.extend(value.get_node() for value in node.input_values())
    return [node for node in seen.values() if node.get_type_name() == "Parameter"]


def _name(port: Any) -> str:
    """The name that a graph's author gave an input."""
    names: set[str] = port.get_names() or {port.get_node().get_friendly_name()}
    return min(names).split(":")[0]


class _RequestPool:
    """As many infer requests as there are streams; a run takes one, waiting for it if need be."""

    def __init__(self, compiled: Any, inputs: tuple[str, ...], outputs: Sequence[str], size: int) -> None:
        self.inputs = inputs
        self._places = {name: at for at, name in enumerate(outputs)}
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(size):
            self._idle.put(compiled.create_infer_request())

    def run(self, values: Sequence[NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        request = self._idle.get()
        try:
            request.infer(list(values), share_inputs=True)
            # A request's buffers are written over by its next run: what leaves here must be a copy.
            return {name: np.array(request.get_output_tensor(self._places[name]).data) for name in outputs}
        finally:
            self._idle.put(request)
