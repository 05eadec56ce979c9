"""ONNX files that were exported from an artefact's graph, on the machine of whoever wants them.

They are no part of the artefact: no manifest lists them, and it is whole without them. They lie beside the graph, in
`graph-onnx-f32/` and `graph-onnx-f16/`, with an `export.json` that says which graph they were made from, so that none
is ever run in the place of another one. Training writes them, a worker with ONNX Runtime reads them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.artefacts.manifest import FileName, Sha256
from core.errors import ArtefactError

EXPORT = "export.json"
F16_CUDA = "f16-cuda"  # what results call the variant that computes in half precision on a card
COMMAND = "python -m training.to_onnx"
Precision = Literal["f32", "f16"]


class OnnxPart(BaseModel):
    """One ONNX file: the outputs of the graph that can be computed from some of its inputs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: FileName
    sha256: Sha256
    inputs: tuple[str, ...] = Field(min_length=1)
    outputs: tuple[str, ...] = Field(min_length=1)


class OnnxExport(BaseModel):
    """What `export.json` says: the graph that was exported, in which precision, and its parts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    graph_sha256: Sha256
    precision: Precision
    parts: tuple[OnnxPart, ...] = Field(min_length=1)


def export_folder(graph: Path, precision: str) -> Path:
    """Where the export of a graph lies."""
    return graph.parent / f"{graph.stem}-onnx-{precision}"


def is_exported(graph: Path, precision: str = "f32") -> bool:
    """Whether there is an export of the graph, be it usable or not."""
    return (export_folder(graph, precision) / EXPORT).is_file()


def read_export(graph: Path, precision: str) -> OnnxExport:
    """The export of a graph, checked against the graph and its own files.

    Raises:
        ArtefactError: `export_missing`; `export_outdated`, it is damaged, or made from another graph.
    """
    folder = export_folder(graph, precision)
    again = f"export it again: {COMMAND} {graph.parent}"
    if not is_exported(graph, precision):
        raise ArtefactError("export_missing", f"{folder} has no {EXPORT}; {again}")
    try:
        found = OnnxExport.model_validate_json((folder / EXPORT).read_bytes())
        damaged = [part.file for part in found.parts if sha256_of(folder / part.file) != part.sha256]
        other = found.graph_sha256 != sha256_of(graph) or found.precision != precision
    except (OSError, ValidationError) as error:
        raise ArtefactError("export_outdated", f"{folder} cannot be read ({error}); {again}") from error
    if damaged or other:
        what = f"{damaged[0]} is damaged" if damaged else f"it was not made from this {graph.name}"
        raise ArtefactError("export_outdated", f"{folder}: {what}; {again}")
    return found


def parts_for(parts: Sequence[OnnxPart], outputs: Sequence[str]) -> list[tuple[OnnxPart, list[str]]]:
    """The parts that give some outputs, each with those to take from it: as few as need no inputs besides theirs.

    Raises:
        KeyError: of an output that no part gives.
    """
    giving = {name: [part for part in parts if name in part.outputs] for name in outputs}
    for name, some in giving.items():
        if not some:
            raise KeyError(name)
    # Among those that give an output, the one with the fewest inputs has just those that it is computed from.
    needed = {name for some in giving.values() for name in min(some, key=lambda part: len(part.inputs)).inputs}
    usable = [part for part in parts if needed.issuperset(part.inputs)]
    chosen, left = list[tuple[OnnxPart, list[str]]](), list(outputs)
    while left:
        best = max(usable, key=lambda part: (len({*left} & {*part.outputs}), -len(part.inputs)))
        chosen.append((best, [name for name in left if name in best.outputs]))
        left = [name for name in left if name not in best.outputs]
    return chosen


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
