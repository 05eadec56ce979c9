"""Put the files of an artefact together: labels, manifest, model card."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from core.artefacts.manifest import MANIFEST, SCHEMA_VERSION, Manifest, Metric, describe_files, load_manifest
from training.common.model_card import CARD, write_card


def write_labels(path: Path, key: str, labels: Sequence[tuple[str, str]]) -> None:
    """Write labels as CSV index,KEY,label.

    Args:
        path: the file.
        key: what the ids are called: "wnid" for ImageNet's classes.
        labels: id and readable name of each class, in the order of the scores.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["index", key, "label"])
        writer.writerows([at, *label] for at, label in enumerate(labels))


def write_manifest(folder: Path, fields: Mapping[str, Any], files: Sequence[str]) -> Manifest:
    """Write the manifest of an artefact whose other files are in place, and read it back as the worker will.

    Args:
        folder: the artefact.
        fields: everything but `schema_version`, `files` and `bytes`.
        files: the names of the files that belong to it.

    Raises:
        ArtefactError: the fields do not make a valid manifest.
    """
    manifest = {"schema_version": SCHEMA_VERSION, **fields, **describe_files(folder, list(files))}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return load_manifest(folder)


def complete_artefact(
    folder: Path, fields: Mapping[str, Any], files: Sequence[str], measure: Callable[[], Sequence[Metric]]
) -> Manifest:
    """Measure an artefact whose other files are in place, and write its card and its manifest.

    Args:
        folder: the artefact.
        fields: as for `write_manifest`, but for `metrics`.
        files: the names of its files, without the card.
        measure: gives its metrics. It may read the artefact as the worker does: a manifest without metrics is there.

    Raises:
        ArtefactError: the fields do not make a valid manifest.
    """
    write_manifest(folder, {**fields, "metrics": []}, files)
    metrics = measure()
    write_card(folder, fields["name"], metrics)
    rows = [metric.model_dump(exclude_none=True) for metric in metrics]
    return write_manifest(folder, {**fields, "metrics": rows}, [*files, CARD])
