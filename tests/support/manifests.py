"""Artefacts that are whole but for a graph that is rubbish: enough for everything but running them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from core.artefacts.manifest import describe_files

CLASSES = 3


def make(models: Path, name: str = "toy", version: str = "1.0.0", folder: str | None = None, **fields: Any) -> Path:
    """A small artefact whose graph is rubbish: enough for everything but running it."""
    where = models / (folder or name)
    where.mkdir(parents=True)
    (where / "graph.pb").write_bytes(b"not a graph")
    (where / "labels.csv").write_text("index,wnid,label\n0,n0,ant\n1,n1,bee\n2,n2,cat\n")
    manifest = {
        "schema_version": 1,
        "name": name,
        "version": version,
        "task": "classify",
        "kind": "image-classifier",
        "summary": "A toy.",
        "graph": "graph.pb",
        "labels": "labels.csv",
        "preprocessing": {"medium": "image", "size": [8, 8]},
        "inputs": {"image": {"dtype": "uint8", "shape": [None, 8, 8, 3]}},
        "outputs": {"probabilities": {"dtype": "float32", "shape": [None, CLASSES]}},
        "metrics": [],
        "licence": "CC0-1.0",
        "source": "made here",
        **describe_files(where, ["graph.pb", "labels.csv"]),
        **fields,
    }
    (where / "manifest.json").write_text(json.dumps(manifest))
    return where
