"""Run the export of a graph offline, by ONNX Runtime on this machine's processor: whether it says what the graph says.

A processor computes an export in half precision mostly in single precision, and rounds what passes between two
operations; a card rounds inside of them, too. So what is found here of halves is near to what a card gives, not it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.artefacts.onnx_export import export_folder, parts_for, read_export
from core.heads.captions import Part


def onnx_parts(graph: Path, precision: str) -> Part:
    """An export as a function from named inputs and wanted outputs to named outputs.

    Raises:
        ArtefactError: as of `read_export`.
    """
    import onnxruntime

    folder = export_folder(graph, precision)
    parts = read_export(graph, precision).parts
    sessions = {
        part: onnxruntime.InferenceSession(str(folder / part.file), providers=["CPUExecutionProvider"])
        for part in parts
    }

    def run(feeds: dict[str, NDArray[Any]], outputs: Sequence[str]) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {}
        for part, wanted in parts_for(parts, outputs):
            given = {name: feeds[name] for name in part.inputs}
            found.update(zip(wanted, map(np.asarray, sessions[part].run(wanted, given)), strict=True))
        return {name: found[name] for name in outputs}

    return run
