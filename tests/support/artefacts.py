"""Small artefacts that are made in a moment and behave like the shipped ones: an encoder, and models on top of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from core.heads.captions import SPECIAL
from training.common.export import write_graph, write_parts
from training.common.package import write_labels, write_manifest

SIDE, CELLS, FEATURES, CLASSES = 16, 4, 6, 3
BEAM_WORDS, MOST_WORDS, ENTRY = ("a", "dog", "cat", "runs", "sleeps", "on", "grass"), 8, (1, 6)
IMAGE = {"medium": "image", "size": [SIDE, SIDE]}
GRID = {"dtype": "float32", "shape": [None, 2, 2, FEATURES]}


def write_encoder(models: Path, version: str = "1.0.0", name: str = "eye", seed: int = 0, **fields: Any) -> Path:
    """An image classifier whose graph also gives `grid` and `pooled`."""
    folder = _folder(models, name, version)
    rng = np.random.default_rng(seed)
    colours, classes = _weights(rng, 3, FEATURES), _weights(rng, FEATURES, CLASSES)

    def call(image: Any) -> Mapping[str, Any]:
        small = tf.nn.avg_pool2d(tf.cast(image, tf.float32) / 255.0, SIDE // 2, SIDE // 2, "VALID")
        grid = tf.tanh(tf.tensordot(small, colours, 1) * 4.0)
        pooled = tf.reduce_mean(grid, axis=(1, 2))
        return {"probabilities": tf.nn.softmax(tf.matmul(pooled, classes)), "grid": grid, "pooled": pooled + 0.0}

    write_graph(folder / "graph.pb", call, (None, SIDE, SIDE, 3))
    write_labels(folder / "labels.csv", "wnid", [(f"n{at}", f"class {at}") for at in range(CLASSES)])
    outputs = {
        "probabilities": {"dtype": "float32", "shape": [None, CLASSES]},
        "grid": GRID,
        "pooled": {"dtype": "float32", "shape": [None, FEATURES]},
    }
    inputs = {"image": {"dtype": "uint8", "shape": [None, SIDE, SIDE, 3]}}
    more = {"labels": "labels.csv", "inputs": inputs, "outputs": outputs, **fields}
    return _finish(folder, name, version, "classify", "image-classifier", ["graph.pb", "labels.csv"], more)


def write_captioner(
    models: Path, version: str = "1.0.0", encoder: str = "eye@1.0.0", name: str = "teller", seed: int = 1, **fields: Any
) -> Path:
    """A captioner whose every word depends on the photo and, through its cache, on all the words before."""
    folder = _folder(models, name, version)
    rng = np.random.default_rng(seed)
    words = (*SPECIAL, *BEAM_WORDS)
    embed, see = _weights(rng, len(words), ENTRY[1]), _weights(rng, FEATURES, ENTRY[1])
    speak = _weights(rng, ENTRY[1], len(words)) * 3

    def call(given: Mapping[str, Any]) -> Mapping[str, Any]:
        memory = tf.reshape(given["grid"], (-1, CELLS, FEATURES))
        before = tf.range(tf.shape(given["cache"])[0]) < given["position"]
        heard = tf.reduce_sum(given["cache"][:, 0] * tf.cast(before, tf.float32)[:, None, None, None], axis=0)
        seen = tf.reduce_mean(tf.tensordot(given["cells"], see, 1), axis=1)[:, None]
        entry = tf.tanh(tf.gather(embed, given["tokens"]) + seen - 0.5 * heard)
        scores = tf.nn.log_softmax(tf.tensordot(entry, speak, 1))
        return {"encoded_cells": memory, "log_probabilities": scores, "entry": entry[None]}

    inputs: dict[str, tuple[str, tuple[int | None, ...]]] = {
        "grid": ("float32", (None, 2, 2, FEATURES)),
        "tokens": ("int32", (None, None)),
        "position": ("int32", (1,)),
        "cache": ("float32", (None, ENTRY[0], None, None, ENTRY[1])),
        "cells": ("float32", (None, CELLS, FEATURES)),
    }
    write_parts(folder / "graph.pb", call, inputs)
    (folder / "words.txt").write_text("\n".join(words) + "\n")
    outputs = {
        "encoded_cells": {"dtype": "float32", "shape": [None, CELLS, FEATURES]},
        "log_probabilities": {"dtype": "float32", "shape": [None, None, len(words)]},
        "entry": {"dtype": "float32", "shape": [ENTRY[0], None, None, ENTRY[1]]},
    }
    more = {
        "encoders": {"image": encoder},
        "settings": {"words": "words.txt", "most_words": MOST_WORDS, "entry": ENTRY, "memory": ["cells"]},
        "inputs": {key: {"dtype": dtype, "shape": list(shape)} for key, (dtype, shape) in inputs.items()},
        "outputs": outputs,
        **fields,
    }
    return _finish(folder, name, version, "caption", "captioner", ["graph.pb", "words.txt"], more)


def set_defaults(models: Path, **defaults: str) -> None:
    """Write defaults.json, task by task."""
    import json

    (models / "defaults.json").write_text(json.dumps(defaults))


def _folder(models: Path, name: str, version: str) -> Path:
    folder = models / f"{name}@{version}"
    folder.mkdir(parents=True)
    return folder


def _weights(rng: np.random.Generator, *shape: int) -> Any:
    return tf.constant(rng.normal(size=shape), tf.float32)


def _finish(
    folder: Path, name: str, version: str, task: str, kind: str, files: list[str], more: Mapping[str, Any]
) -> Path:
    fields = {
        "name": name, "version": version, "task": task, "kind": kind, "summary": "A toy.", "graph": "graph.pb",
        "preprocessing": IMAGE, "metrics": [], "licence": "CC0-1.0", "source": "made by a test",
    }  # fmt: skip
    write_manifest(folder, {**fields, **more}, files)
    return folder
