"""Package a trained text network as an artefact: calibrated graph, labels, manifest, card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from core.artefacts.manifest import Metric
from core.texts.prepare import TextSpec, TokenGrams, WordChars
from training.common.experiment import Experiment
from training.common.export import write_graph
from training.common.package import complete_artefact, write_labels
from training.common.texts.text_layers import Folds

FILES = ("graph.pb", "labels.csv")


@dataclass(frozen=True, slots=True)
class Head:
    """What turns a network's logits into the outputs of its artefact.

    Attributes:
        call: from logits to named outputs, "probabilities" [N, labels] among them.
        widths: columns of each output.
        labels: key and readable name of each label, in the order of "probabilities".
        fields: further fields of the manifest; licence and source at least.
    """

    call: Callable[[Any], Mapping[str, Any]]
    widths: Mapping[str, int]
    labels: Sequence[tuple[str, str]]
    fields: Mapping[str, Any]


def package_classifier(
    folder: Path, experiment: Experiment[Any], network: keras.Model, head: Head, measure: Callable[[], list[Metric]]
) -> None:
    """Write graph, labels, manifest and card.

    Args:
        folder: the artefact's; made if need be.
        experiment: what was trained.
        network: trained and quantised.
        head: calibrated on what the quantised network gives.
        measure: gives the metrics, from the artefact as it lies in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    shape = (None, None, *_inner_shape(experiment.text))

    def call(ids: Any) -> Mapping[str, Any]:
        return head.call(network(ids, training=False))

    write_graph(folder / "graph.pb", call, shape, dtype="int32", input_name="ids")
    write_labels(folder / "labels.csv", "key", head.labels)
    fields = {
        "name": experiment.name,
        "version": experiment.version,
        "task": experiment.plan.task,
        "kind": "text-classifier",
        "summary": experiment.summary,
        "graph": "graph.pb",
        "labels": "labels.csv",
        "preprocessing": experiment.text.model_dump(mode="json"),
        "inputs": {"ids": {"dtype": "int32", "shape": list(shape)}},
        "outputs": {name: {"dtype": "float32", "shape": [None, width]} for name, width in head.widths.items()},
        **head.fields,
    }
    complete_artefact(folder, fields, FILES, measure)


def quantise(network: keras.Model) -> None:
    """Store the large tables of a trained network in bytes: it is calibrated as it is shipped, and learns no more."""
    for layer in network.layers:
        if isinstance(layer, Folds):
            layer.fold()


def _inner_shape(spec: TextSpec) -> tuple[int, ...]:
    """The dimensions of a text's ids behind their length."""
    if isinstance(spec.features, TokenGrams):
        return (1 + spec.features.orders,)
    return (spec.features.width,) if isinstance(spec.features, WordChars) else ()
