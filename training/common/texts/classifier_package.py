"""Write the artefact of a trained text network, but for its metrics and its card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras

from core.texts.prepare import TokenGrams, WordChars
from training.common.experiment import Experiment
from training.common.export import write_graph
from training.common.package import write_labels
from training.common.texts.text_layers import Bag, ConvPool


def write_network(
    folder: Path,
    experiment: Experiment,
    network: keras.Model,
    head: Callable[[Any], Mapping[str, Any]],
    labels: Sequence[tuple[str, str]],
) -> None:
    """Write graph.pb and labels.csv.

    Args:
        folder: the artefact's; made if need be.
        experiment: what was trained.
        network: trained and folded.
        head: from the network's logits to named outputs, "probabilities" [N, labels] among them.
        labels: key and readable name of each.
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_graph(
        folder / "graph.pb",
        lambda ids: head(network(ids, training=False)),
        (None, None, *inner_shape(experiment)),
        dtype="int32",
        input_name="ids",
    )
    write_labels(folder / "labels.csv", "key", labels)


def fold(network: keras.Model) -> None:
    """Store the large tables of a trained network in bytes: it is calibrated as it is shipped, and learns no more."""
    for layer in network.layers:
        if isinstance(layer, Bag | ConvPool):
            layer.fold()


def inner_shape(experiment: Experiment) -> tuple[int, ...]:
    """What an item's ids have behind their length."""
    features = experiment.text.features
    if isinstance(features, TokenGrams):
        return (1 + features.orders,)
    return (features.width,) if isinstance(features, WordChars) else ()


def manifest_fields(experiment: Experiment, outputs: Mapping[str, int], **more: Any) -> dict[str, Any]:
    """The manifest's fields but for metrics, licence and source, which `more` adds, and the files.

    Args:
        experiment: what was trained.
        outputs: how wide each output of the graph is.
        more: further fields.
    """
    return {
        "name": experiment.name,
        "version": experiment.version,
        "task": experiment.plan.task,
        "kind": "text-classifier",
        "summary": experiment.summary,
        "graph": "graph.pb",
        "labels": "labels.csv",
        "preprocessing": experiment.text.model_dump(mode="json"),
        "inputs": {"ids": {"dtype": "int32", "shape": [None, None, *inner_shape(experiment)]}},
        "outputs": {name: {"dtype": "float32", "shape": [None, width]} for name, width in outputs.items()},
        **more,
    }
