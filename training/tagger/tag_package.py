"""From a trained tagger to its artefact: calibrate, write the graph and the named vocabularies, measure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from core.artefacts.manifest import Metric, load_manifest
from core.artefacts.vocabularies import NAMED, write_directions
from training.common.calibration import Floats, logistic_regression
from training.common.datasets.splits import REFERENCES
from training.common.experiment import Experiment
from training.common.export import write_parts
from training.common.graph_runner import load_graph
from training.common.package import complete_artefact
from training.tagger.tag_data import is_right
from training.tagger.tag_measure import measure_tagger, measure_unseen
from training.tagger.tag_plan import TagPlan
from training.tagger.tag_run import TagRun
from training.tagger.tag_vocabularies import photo_labels, vocabulary_labels

LICENCE = "weights: see the card; learnt from a research data set, on top of encoders under Apache-2.0"
SOURCE = (
    "Flickr8k's training captions (Hodosh 2013); labels of ImageNet, WordNet 3.0 and Open Images V6 (CC-BY-4.0, Google)"
)
LABEL_SOURCES = {
    "photos": "chosen by hand from words of Flickr8k's captions (Hodosh 2013), labels of Open Images V6 (CC-BY-4.0, "
    "Google), classes of ImageNet and what WordNet 3.0 has above them",
    "open-images": "labels of Open Images V6 (CC-BY-4.0, Google)",
}
AT_ONCE = 1000
CALIBRATED = 20  # labels of a photo that it is calibrated on; as many as are given unless somebody asks otherwise


def package_tagger(
    run: TagRun, experiment: Experiment[TagPlan], folder: Path, data: Path, reported: Sequence[Metric] = ()
) -> None:
    """Write the artefact of a run that is trained; the test split in `data` is read here and nowhere before.

    Args:
        run: the training.
        experiment: name, version, summary.
        folder: the artefact's.
        data: the data folder.
        reported: metrics of a second tagger, for the card.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _write_graph(run, folder / "graph.pb", *calibration(run))
    vocabularies = {name: _write_vocabulary(run, folder, name, data) for name in NAMED}
    files = ["graph.pb", *(where[part] for where in vocabularies.values() for part in ("labels", "directions"))]
    settings = {"size": run.size, "template": run.plan.template, "vocabularies": vocabularies}
    fields = {**_manifest_fields(run, experiment), "settings": settings}
    measure = measure_unseen if run.plan.held_out else measure_tagger
    complete_artefact(folder, fields, files, lambda: [*measure(folder, data), *reported])


def calibration(run: TagRun) -> tuple[float, float]:
    """Factor and constant that make logits the chance that people say or give the label.

    By logistic regression (Platt, 1999) on the validation photos with captions, over the labels of "photos" that rank
    first for each: those that people get to see. That changes no order.
    """
    labels = photo_labels()
    captioned = np.array([len(photo.captions) >= REFERENCES for photo in run.validation])
    photos = [photo for photo, said in zip(run.validation, captioned, strict=True) if said]
    logits = run.logits(labels)[captioned]
    best = np.argsort(-logits, axis=1, kind="stable")[:, :CALIBRATED]
    right = is_right(photos, labels, best)
    factor, constant = logistic_regression(np.take_along_axis(logits, best, axis=1).ravel()[:, None], right.ravel())
    return float(factor), float(constant)


def _write_graph(run: TagRun, path: Path, factor: float, constant: float) -> None:
    """Both towers as one graph of two parts; calibration is part of the directions."""
    transform, image, classes, label = run.transform, run.network.image, run.classes, run.label_tower()
    grid = len(transform.mean)

    def call(given: Mapping[str, Any]) -> dict[str, Any]:
        pooled = given["pooled"]
        parts = [image(transform(pooled), training=False), classes.expected(pooled[:, grid:])]
        direction = label(given["label"]) * factor
        biased = ops.concatenate([direction[:, :-1], direction[:, -1:] + constant], axis=-1)
        return {"embedding": ops.concatenate(parts, axis=-1), "direction": biased}

    width = grid + len(transform.log_mean)
    write_parts(path, call, {"pooled": ("float32", (None, width)), "label": ("float32", (None, run.vectors.size))})


def _write_vocabulary(run: TagRun, folder: Path, name: str, data: Path) -> dict[str, str]:
    """What the manifest says of a named vocabulary; its directions are made by the graph that is already there."""
    labels = vocabulary_labels(name, data)
    where = {"labels": f"{name}.txt", "directions": f"{name}.npz", "language": "en", "source": LABEL_SOURCES[name]}
    (folder / where["labels"]).write_text("\n".join(labels) + "\n", encoding="utf-8")
    write_directions(folder / where["directions"], _directions(run, folder, labels))
    return where


def _directions(run: TagRun, folder: Path, labels: list[str]) -> Floats:
    vectors = run.label_vectors(labels)
    tower = load_graph(folder / "graph.pb", ["direction"], "label")
    return np.concatenate([tower(vectors[at : at + AT_ONCE])[0] for at in range(0, len(vectors), AT_ONCE)])


def _manifest_fields(run: TagRun, experiment: Experiment[TagPlan]) -> dict[str, Any]:
    """The manifest's fields but for settings and metrics."""
    encoder, text = load_manifest(run.encoder), load_manifest(run.text)
    return {
        "name": experiment.name,
        "version": experiment.version,
        "task": "tag",
        "kind": "tagger",
        "summary": experiment.summary,
        "graph": "graph.pb",
        "preprocessing": encoder.preprocessing.model_dump(mode="json"),
        "inputs": {
            "pooled": encoder.outputs["pooled"].model_dump(mode="json"),
            "label": {"dtype": "float32", "shape": [None, run.vectors.size]},
        },
        "outputs": {
            "embedding": {"dtype": "float32", "shape": [None, run.size]},
            "direction": {"dtype": "float32", "shape": [None, run.size + 1]},
        },
        "encoders": {"image": encoder.id, "text": text.id},
        "licence": LICENCE,
        "source": SOURCE,
    }
