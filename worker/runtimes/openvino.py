"""Run a graph on the CPU with OpenVINO, which needs neither TensorFlow nor a GPU."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from core.errors import ArtefactError


class OpenVinoRuntime:
    """A graph compiled for the CPU: one network per set of wanted outputs, each with a pool of requests."""

    name = "openvino"

    def __init__(self, graph: Path) -> None:
        """Read the graph; it is compiled when a set of outputs is first asked for.

        Raises:
            ArtefactError: `graph_unreadable`.
        """
        self._core = ov.Core()
        self._graph = graph
        self._lock = threading.Lock()
        self._pools: dict[tuple[str, ...], _Pool] = {}
        self._model = self._read()
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        # One thread a stream is the fastest for batches on few cores; on many, streams of two keep latency sane.
        self._threads = cores
        self.streams = cores if cores <= 4 else (cores + 1) // 2

    def run(self, batch: NDArray[Any], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        return self._pool(tuple(outputs)).run(np.ascontiguousarray(batch))

    def _read(self) -> Any:
        try:
            return self._core.read_model(self._graph)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ArtefactError("graph_unreadable", f"OpenVINO cannot read {self._graph.name}: {reason}") from error

    def _pool(self, outputs: tuple[str, ...]) -> _Pool:
        pool = self._pools.get(outputs)
        if pool is None:
            with self._lock:
                pool = self._pools.get(outputs) or self._compile(outputs)
                self._pools[outputs] = pool
        return pool

    def _compile(self, outputs: tuple[str, ...]) -> _Pool:
        known = {name.split(":")[0]: port for port in self._model.outputs for name in port.get_names()}
        missing = [name for name in outputs if name not in known]
        if missing:
            raise ArtefactError("graph_output_missing", f"{self._graph.name} has no output {missing[0]!r}")
        part = ov.Model([known[name].node for name in outputs], self._model.get_parameters(), "part").clone()
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": self.streams,
            "INFERENCE_NUM_THREADS": self._threads,
            "INFERENCE_PRECISION_HINT": "f32",  # some CPUs would choose bfloat16 and give other results
            "ENABLE_CPU_PINNING": False,  # decoding threads share these cores
        }
        return _Pool(self._core.compile_model(part, "CPU", settings), outputs, self.streams)


class _Pool:
    """As many infer requests as there are streams; a run takes one, waiting for it if need be."""

    def __init__(self, compiled: Any, outputs: tuple[str, ...], size: int) -> None:
        self._outputs = outputs
        self._idle: SimpleQueue[Any] = SimpleQueue()
        for _ in range(size):
            self._idle.put(compiled.create_infer_request())

    def run(self, batch: NDArray[Any]) -> dict[str, NDArray[Any]]:
        request = self._idle.get()
        try:
            request.infer([batch], share_inputs=True)
            # A request's buffers are written over by its next run: what leaves here must be a copy.
            return {name: np.array(request.get_output_tensor(at).data) for at, name in enumerate(self._outputs)}
        finally:
            self._idle.put(request)
