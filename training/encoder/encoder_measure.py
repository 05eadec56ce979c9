"""The numbers on the encoder's card: published accuracy, and what storing weights in half precision costs."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import ops

from core.artefacts.manifest import Metric
from core.images.decode import ImageSpec, decode_image
from training.common.graph_runner import run_graph
from training.encoder.efficientnet_lite import VARIANTS, Variant
from training.encoder.published_weights import published

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
MAX_PIXELS = 10**8
# Published top-1 on the ImageNet validation set; not measured here.
PUBLISHED = (
    "published, float32, centre crop: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite"
)
TOP1 = {"lite0": 0.751, "lite2": 0.776}


def measure_encoder(folder: Path, _data: Path) -> list[Metric]:
    """What storing weights in half precision costs, on the sample photos, against the published weights.

    Raises:
        FileNotFoundError: the package with the published weights is not installed.
    """
    return [metric for metric in conversion_metrics(published(), folder) if metric.source.startswith("measured")]


def conversion_metrics(network: keras.Model, folder: Path, variant: Variant = VARIANTS["lite2"]) -> list[Metric]:
    """Published accuracy, and the largest difference of a probability between a graph and its network.

    Args:
        network: with the published weights, in float32.
        folder: of the artefact; only its graph.pb is read.
        variant: which network it is.
    """
    spec = ImageSpec(size=(variant.size, variant.size))
    photos = [decode_image(path.read_bytes(), spec, MAX_PIXELS).pixels for path in sorted(SAMPLES.glob("*.jpg"))]
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
