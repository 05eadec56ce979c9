"""Write a graph in eight bits: post-training quantization by NNCF, calibrated on photos of the training split."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13
from openvino.passes import ConstantFolding, Manager

from training.common.sensitive_layers import sensitive_layers


def quantize(graph: Path, target: Path, photos: Sequence[NDArray[np.uint8]]) -> list[str]:
    """Write the int8 form of a graph that takes photos.

    Weights in eight bits by channel, activations in eight bits by tensor, symmetric where they are signed ("mixed").
    Layer after layer, the mean error that the layers so far have made is added to the bias (on a fifth of the photos;
    the fast way, which looks at each layer alone, leaves half as much distance to single precision again). Some layers
    stay as they are, see `sensitive_layers`. The weights have all eight bits: processors without VNNI, whose sums could
    overflow by it, are not what this is for.

    Args:
        graph: of one input.
        target: the .xml that is written; its weights get the same name with .bin.
        photos: to calibrate on, as the graph takes them, [height, width, 3].

    Returns:
        The names of the files.

    Raises:
        ImportError: NNCF is not installed.
    """
    os.environ.update(NNCF_CI="1")  # or it tells its makers of each run
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    model = ov.Core().read_model(graph)
    fold_constants(model)
    found = nncf.quantize(
        model,
        nncf.Dataset([photo[None] for photo in photos]),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(photos),
        fast_bias_correction=False,
        ignored_scope=nncf.IgnoredScope(names=sensitive_layers(model)),
        advanced_parameters=AdvancedQuantizationParameters(overflow_fix=OverflowFix.DISABLE),
    )
    ov.save_model(found, target)
    return [target.name, target.with_suffix(".bin").name]


def fold_constants(model: ov.Model) -> None:
    """Make weights and biases constants in single precision, which is what NNCF sees.

    It would leave alone weights that are stored in half precision or reshaped on the way, as all of a frozen graph's
    depthwise convolutions are, and would not correct such biases; activations it would round all the same.
    """
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
    folding = Manager()
    folding.register_pass(ConstantFolding())
    folding.run_passes(model)
