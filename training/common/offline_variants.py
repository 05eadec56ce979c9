"""Which variant of each artefact is measured offline; unless one is named it is "f32", by TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from core.artefacts.manifest import Manifest
from core.artefacts.onnx_export import F16_CUDA
from core.artefacts.variants import F32, usable_variants
from core.errors import ArtefactError
from core.heads.captions import Part
from core.processor import this_processor
from training.common.graph_runner import graph_parts
from training.common.onnx.onnx_runner import onnx_parts
from training.common.openvino_graph import openvino_parts

ONNX_F32 = "onnx-f32"  # the export in single precision: results of it name the variant "f32"
EXPORTED = {ONNX_F32: F32, F16_CUDA: "f16"}
Variants = Mapping[str, str]  # NAME@VERSION: the name of a variant
PLAIN: Variants = MappingProxyType({})


def artefact_parts(folder: Path, manifest: Manifest, variants: Variants = PLAIN) -> Part:
    """An artefact's graph as a function from named inputs and wanted outputs to named outputs.

    Raises:
        ArtefactError: as of `read_export`; `variant_missing`, the artefact has no such variant, or this processor
            cannot compute it: other numbers would pass for its own.
    """
    wanted, graph = variants.get(manifest.id, F32), folder / manifest.graph
    if wanted == F32:
        return graph_parts(graph)
    if wanted in EXPORTED:
        return onnx_parts(graph, EXPORTED[wanted])
    for variant in usable_variants(manifest, this_processor().features):
        if variant.name == wanted:
            return openvino_parts(folder / (variant.graph or manifest.graph), variant.compute)
    raise ArtefactError("variant_missing", f"{manifest.id} cannot be measured here as {wanted}")
