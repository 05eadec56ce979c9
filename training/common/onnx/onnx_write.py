"""Write the export of a graph: a folder beside it, as `core.artefacts.onnx_export` says."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from core.artefacts.onnx_export import EXPORT, OnnxExport, OnnxPart, Precision, export_folder, sha256_of
from training.common.onnx.onnx_convert import convert_parts
from training.common.onnx.onnx_halves import halved


def write_export(graph: Path, outputs: Sequence[str], precision: Precision = "f32") -> Path:
    """Export a graph, in the place of what was exported before.

    Args:
        graph: the .pb file.
        outputs: all its outputs, by name.
        precision: "f32", or "f16": computed in half precision.

    Returns:
        The folder.

    Raises:
        ValueError: an operation of the graph has no counterpart in ONNX.
    """
    target = export_folder(graph, precision)
    with tempfile.TemporaryDirectory(dir=graph.parent, prefix=f".{target.name}-") as made:
        parts = []
        for at, part in enumerate(convert_parts(graph, outputs)):
            model = part.model if precision == "f32" else halved(part.model)
            path = Path(made) / f"part-{at}.onnx"
            path.write_bytes(model.SerializeToString())
            parts.append(OnnxPart(file=path.name, sha256=sha256_of(path), inputs=part.inputs, outputs=part.outputs))
        export = OnnxExport(graph_sha256=sha256_of(graph), precision=precision, parts=tuple(parts))
        (Path(made) / EXPORT).write_text(export.model_dump_json(indent=2) + "\n", encoding="utf-8")
        remove_export(graph, precision)
        target.mkdir()
        for file in [*(part.file for part in parts), EXPORT]:  # last what says that all is there
            os.replace(Path(made) / file, target / file)
    return target


def remove_export(graph: Path, precision: str) -> None:
    """Remove the export of a graph, if there is one."""
    shutil.rmtree(export_folder(graph, precision), ignore_errors=True)
