"""From a trained tagger to its artefact: calibrate, write the graph and the named vocabularies, measure, write card."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops

from core.artefacts.manifest import load_manifest
from core.heads.tags import NAMED, write_directions
from training.card import write_card
from training.common.calibration import Floats, weigh
from training.common.datasets.captioned_photos import read_open_images
from training.common.experiment import Experiment
from training.common.export import load_graph, write_parts
from training.common.package import write_manifest
from training.tagger.caption_words import photo_labels
from training.tagger.tag_data import says
from training.tagger.tag_run import TagRun

OPEN_IMAGES = "open_images_v6_labels.csv"
LICENCE = "weights: see the card; learnt from a research data set, on top of encoders under Apache-2.0"
SOURCE = (
    "Flickr8k's training captions (Hodosh 2013); labels of ImageNet, WordNet 3.0 and Open Images V6 (CC-BY-4.0, Google)"
)
AT_ONCE = 1000
SEEN = 20  # labels of a photo that it is calibrated on; as many as are given unless somebody asks otherwise


def start(experiment: Experiment, data: Path, work: Path) -> TagRun:
    """The run of an experiment."""
    plan = experiment.plan
    assert plan.task == "tag"
    return TagRun(experiment, data, work, installed(plan.encoder, work), installed(plan.text, work))


def installed(name: str, work: Path) -> Path:
    """The folder of an artefact to stand on: in the work folder, in models/ beside it, or in models/ here.

    Raises:
        FileNotFoundError: there is none.
    """
    for place in (work, work.parent.parent / "models", Path("models")):
        if (place / name / "manifest.json").is_file():
            return place / name
    raise FileNotFoundError(f"there is no artefact {name} in {work} or models/; make it first, see training/README.md")


def calibration(run: TagRun) -> tuple[float, float]:
    """Factor and constant that make logits chances that one caption or more says the label.

    By logistic regression (Platt, 1999) on the validation photos, over the labels of "photos" that rank first for each:
    those that people get to see. That changes no order.
    """
    labels = photo_labels()
    logits = run.logits(labels)
    best = np.argsort(-logits, axis=1, kind="stable")[:, :SEEN]
    said = says([photo.captions for photo in run.validation], labels, best)
    factor, constant = weigh(np.take_along_axis(logits, best, axis=1).ravel()[:, None], said.ravel())
    return float(factor), float(constant)


def finish(run: TagRun, experiment: Experiment, folder: Path, data: Path) -> None:
    """Write the artefact of a run that is trained.

    Args:
        run: what `start` gave.
        experiment: what it is a run of.
        folder: the artefact's.
        data: the data folder; the test split in it is touched here and nowhere before.
    """
    from training.tagger.tag_measure import measure

    folder.mkdir(parents=True, exist_ok=True)
    _write_graph(run, folder / "graph.pb", *calibration(run))
    vocabularies = {name: _write_vocabulary(run, folder, name, data) for name in NAMED}
    files = ["graph.pb", *(file for where in vocabularies.values() for file in where.values())]
    settings = {"size": run.size, "template": run.plan.template, "vocabularies": vocabularies}
    fields = {**_fields(run, experiment), "settings": settings}
    write_manifest(folder, {**fields, "metrics": []}, files)
    metrics = measure(folder, data)
    write_card(folder, experiment.name, metrics)
    rows = [metric.model_dump(exclude_none=True) for metric in metrics]
    write_manifest(folder, {**fields, "metrics": rows}, [*files, "README.md"])


def _write_graph(run: TagRun, path: Path, factor: float, constant: float) -> None:
    """Both towers as one graph of two parts; calibration is part of the directions."""
    front, image, classes, label = run.front, run.space.image, run.classes, run.label_tower()
    grid = len(front.mean)

    def call(given: Mapping[str, Any]) -> dict[str, Any]:
        pooled = given["pooled"]
        parts = [image(front(pooled), training=False), classes.expected(pooled[:, grid:])]
        direction = label(given["label"]) * factor
        biased = ops.concatenate([direction[:, :-1], direction[:, -1:] + constant], axis=-1)
        return {"embedding": ops.concatenate(parts, axis=-1), "direction": biased}

    width = grid + len(front.usual)
    write_parts(path, call, {"pooled": ("float32", (None, width)), "label": ("float32", (None, _text_size(run)))})


def _text_size(run: TagRun) -> int:
    return int(run.vectors.size)


def _write_vocabulary(run: TagRun, folder: Path, name: str, data: Path) -> dict[str, str]:
    """The files of a named vocabulary: its labels, and their directions by the graph that is already there."""
    labels = photo_labels() if name == "photos" else _open_images(data)
    where = {"labels": f"{name}.txt", "directions": f"{name}.npz"}
    (folder / where["labels"]).write_text("\n".join(labels) + "\n", encoding="utf-8")
    write_directions(folder / where["directions"], _directions(run, folder, labels))
    return where


def _directions(run: TagRun, folder: Path, labels: list[str]) -> Floats:
    vectors = run.vectors([run.plan.template.replace("{}", label) for label in labels])
    tower = load_graph(folder / "graph.pb", ["direction"], "label")
    return np.concatenate([tower(vectors[at : at + AT_ONCE])[0] for at in range(0, len(vectors), AT_ONCE)])


def _open_images(data: Path) -> list[str]:
    """The names of Open Images' classes, each once, in the order of the file."""
    return list(dict.fromkeys(name for _, name in read_open_images(data / OPEN_IMAGES)))


def _fields(run: TagRun, experiment: Experiment) -> dict[str, Any]:
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
            "label": {"dtype": "float32", "shape": [None, _text_size(run)]},
        },
        "outputs": {
            "embedding": {"dtype": "float32", "shape": [None, run.size]},
            "direction": {"dtype": "float32", "shape": [None, run.size + 1]},
        },
        "encoders": {"image": encoder.id, "text": text.id},
        "licence": LICENCE,
        "source": SOURCE,
    }
