"""Run a graph offline by OpenVINO, as the worker runs variants of it, which TensorFlow cannot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from core.heads.captions import Part


def openvino_parts(path: Path, compute: str) -> Part:
    """A graph as a function from named inputs and wanted outputs to named outputs.

    Args:
        path: the graph, of any kind that OpenVINO reads.
        compute: "f32" or "bf16".
    """
    core = ov.Core()
    model, compiled = core.read_model(path), dict[tuple[str, ...], Any]()
    settings = {"INFERENCE_PRECISION_HINT": compute, "PERFORMANCE_HINT": "THROUGHPUT"}

    def run(feeds: dict[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        key = (*feeds, "", *outputs)
        if key not in compiled:
            results = [_find(model.outputs, name).get_node() for name in outputs]
            parameters = [_find(model.inputs, name).get_node() for name in feeds]
            compiled[key] = core.compile_model(ov.Model(results, parameters, "part").clone(), "CPU", settings)
        found = compiled[key](list(feeds.values()))
        return {name: np.array(found[at]) for at, name in enumerate(outputs)}

    return run


def _find(ports: Sequence[Any], name: str) -> Any:
    return next(port for port in ports if name in {known.split(":")[0] for known in port.get_names()})
