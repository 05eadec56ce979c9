"""Write a graph in eight bits: post-training quantization by NNCF, calibrated on photos of the training split."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13


def quantize(graph: Path, target: Path, photos: Sequence[NDArray[np.uint8]]) -> list[str]:
    """Write the int8 form of a graph that takes photos.

    Weights in eight bits by channel, activations in eight bits by tensor, symmetric where they are signed ("mixed"),
    with the mean error of each layer added to its bias (NNCF's fast bias correction).

    Args:
        graph: of one input.
        target: the .xml that is written; its weights get the same name with .bin.
        photos: to calibrate on, as the graph takes them, [height, width, 3].

    Returns:
        The names of the files.

    Raises:
        ImportError: NNCF is not installed.
    """
    import nncf

    model = ov.Core().read_model(graph)
    widen_constants(model)
    examples = nncf.Dataset([photo[None] for photo in photos])
    preset = nncf.QuantizationPreset.MIXED
    ov.save_model(nncf.quantize(model, examples, preset=preset, subset_size=len(photos)), target)
    return [target.name, target.with_suffix(".bin").name]


def widen_constants(model: ov.Model) -> None:
    """Replace constants that are stored in half precision: NNCF would leave their weights as they are."""
    for node in list(model.get_ordered_ops()):
        if node.get_type_name() != "Convert":
            continue
        stored = node.input(0).get_source_output().get_node()
        if stored.get_type_name() != "Constant" or stored.get_element_type() != ov.Type.f16:
            continue
        wide = opset13.constant(stored.data.astype(np.float32))
        wide.set_friendly_name(node.get_friendly_name())
        for reader in node.output(0).get_target_inputs():
            reader.replace_source_output(wide.output(0))
