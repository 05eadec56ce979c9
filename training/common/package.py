"""Put the files of an artefact together: manifest, labels, model card, licence."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.artefacts.manifest import MANIFEST, SCHEMA_VERSION, Manifest, describe_files, load_manifest


def write_labels(path: Path, key: str, labels: Sequence[tuple[str, str]]) -> None:
    """Write labels as CSV index,KEY,label.

    Args:
        path: the file.
        key: what the vocabulary calls its ids: "wnid".
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
