"""Toy artefacts of a text encoder and a tagger; they read the toy encoder of tests.support.artefacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import tensorflow as tf

from core.artefacts.vocabularies import NAMED, Vocabulary, write_directions
from tests.support.artefacts import FEATURES, IMAGE
from training.common.export import write_parts
from training.common.package import write_manifest

PIECES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "dog", "cat", "##s", "red", "!", "grass")
TEXT, SIZE = 5, 4
LABELS = {"photos": ("cat", "dog", "dogs", "red dog", "grass"), "open-images": ("Cat!", "Dog", "Red cat")}
IDS = {"dtype": "int64", "shape": [None, None]}


def write_text_encoder(models: Path, name: str = "ear", **fields: Any) -> Path:
    """An encoder whose states are the pieces' own vectors, and a little of the others'."""
    folder = models / f"{name}@1.0.0"
    folder.mkdir(parents=True)
    table = tf.constant(np.random.default_rng(3).normal(size=(len(PIECES), TEXT)), tf.float32)

    def call(given: Mapping[str, Any]) -> Mapping[str, Any]:
        known = tf.cast(given["attention_mask"] - given["token_type_ids"], tf.float32)[:, :, None]
        states = tf.gather(table, given["input_ids"]) * known
        return {"last_hidden_state": states + 0.1 * tf.reduce_sum(states, axis=1, keepdims=True)}

    names = ("input_ids", "attention_mask", "token_type_ids")
    write_parts(folder / "graph.pb", call, dict.fromkeys(names, ("int64", (None, None))))
    (folder / "pieces.txt").write_text("\n".join(PIECES) + "\n")
    features = {"kind": "word-pieces", "vocabulary": "pieces.txt", "longest": 16}
    more = {
        "task": "embed",
        "kind": "text-encoder",
        "preprocessing": {"medium": "text", "features": features},
        "inputs": dict.fromkeys(names, IDS),
        "outputs": {"last_hidden_state": {"dtype": "float32", "shape": [None, None, TEXT]}},
        **fields,
    }
    return _finish(folder, name, more, ["graph.pb", "pieces.txt"])


def write_tagger(
    models: Path, name: str = "namer", *, about: Mapping[str, Mapping[str, str]] = MappingProxyType({}), **fields: Any
) -> Path:
    """Two linear towers, and small vocabularies; `about` has what else is said of some of these."""
    folder = models / f"{name}@1.0.0"
    folder.mkdir(parents=True)
    random = np.random.default_rng(4)
    see = tf.constant(random.normal(size=(FEATURES, SIZE)) * 3, tf.float32)
    mean = tf.constant(random.normal(size=(TEXT, SIZE + 1)), tf.float32)

    def call(given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"embedding": tf.matmul(given["pooled"], see), "direction": tf.matmul(given["label"], mean)}

    write_parts(
        folder / "graph.pb", call, {"pooled": ("float32", (None, FEATURES)), "label": ("float32", (None, TEXT))}
    )
    for key in NAMED:
        (folder / f"{key}.txt").write_text("\n".join(LABELS[key]) + "\n")
        write_directions(folder / f"{key}.npz", directions(len(LABELS[key])))
    files = ["graph.pb", *(f"{key}.{kind}" for key in NAMED for kind in ("txt", "npz"))]
    vocabularies = {key: {"labels": f"{key}.txt", "directions": f"{key}.npz", **about.get(key, {})} for key in NAMED}
    more = {
        "task": "tag",
        "kind": "tagger",
        "preprocessing": IMAGE,
        "encoders": {"image": "eye@1.0.0", "text": "ear@1.0.0"},
        "settings": {"size": SIZE, "vocabularies": vocabularies},
        "inputs": {
            "pooled": {"dtype": "float32", "shape": [None, FEATURES]},
            "label": {"dtype": "float32", "shape": [None, TEXT]},
        },
        "outputs": {
            "embedding": {"dtype": "float32", "shape": [None, SIZE]},
            "direction": {"dtype": "float32", "shape": [None, SIZE + 1]},
        },
        **fields,
    }
    return _finish(folder, name, more, files)


def directions(count: int) -> Any:
    """Rows of a vocabulary, float32 [count, SIZE + 1]."""
    return np.random.default_rng(5).normal(size=(count, SIZE + 1)).astype(np.float32)


def toy_vocabulary(labels: tuple[str, ...]) -> Vocabulary:
    """Labels with some directions."""
    return Vocabulary(labels, directions(len(labels)))


def _finish(folder: Path, name: str, more: Mapping[str, Any], files: list[str]) -> Path:
    fields = {
        "name": name, "version": "1.0.0", "summary": "A toy.", "graph": "graph.pb", "metrics": [],
        "licence": "CC0-1.0", "source": "made by a test",
    }  # fmt: skip
    write_manifest(folder, {**fields, **more}, files)
    return folder
