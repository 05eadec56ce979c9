"""Load an artefact into a warm model, or refuse it."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import numpy as np

from core.artefacts import load_manifest
from core.errors import ArtefactError
from core.settings import Settings
from worker.models.base import Model
from worker.runtimes.base import Runtime
from worker.runtimes.choose import load_runtime

# Kind in the manifest -> class, imported when the first artefact of that kind is loaded.
KINDS = {
    "image-classifier": "worker.models.image_classifier.ImageClassifier",
    "text-classifier": "worker.models.text_classifier.TextClassifier",
}


def load_model(folder: Path, settings: Settings) -> Model:
    """The artefact in `folder`, verified, loaded and warmed up.

    Raises:
        ArtefactError: it is incomplete or damaged (see `load_manifest`), of an unknown kind (`kind_unknown`), its
            runtime is missing (`runtime_missing`), or it does not do what its manifest says (`warm_up_failed`).
    """
    manifest = load_manifest(folder)
    if manifest.kind not in KINDS:
        raise ArtefactError("kind_unknown", f"{manifest.id} is a {manifest.kind!r}, which this version cannot run")
    runtime = load_runtime(folder / manifest.graph, settings.runtime)
    module, _, attribute = KINDS[manifest.kind].rpartition(".")
    model = cast(Model, getattr(import_module(module), attribute)(folder, manifest, runtime))
    warm_up(model, runtime)
    return model


def warm_up(model: Model, runtime: Runtime) -> None:
    """Run the model on its own example, so that the first user does not wait and a broken graph is never served.

    Raises:
        ArtefactError: `warm_up_failed`, it raised, or gave results of another number, shape, type, or not finite.
    """
    for size in (1, 2):
        try:
            complaint = _complaint(model, runtime, [model.example()] * size)
        except ArtefactError:
            raise
        except Exception as error:
            complaint = f"fails on its own example: {error}"
        if complaint:
            raise ArtefactError("warm_up_failed", f"{model.manifest.id} {complaint}")


def _complaint(model: Model, runtime: Runtime, items: list[Any]) -> str | None:
    """What is wrong with the model's answers to a few examples, or None."""
    for name, array in runtime.run(model.collate(items), model.outputs).items():
        spec = model.manifest.outputs[name]
        wanted = tuple(len(items) if size is None else size for size in spec.shape)
        if array.shape != wanted or array.dtype != spec.dtype:
            return f"gives {name} as {array.dtype} {array.shape}, the manifest says {spec.dtype} {wanted}"
        if not np.isfinite(array).all():
            return f"gives {name} that is not finite"
    results = model.predict(items)
    if len(results) != len(items):
        return f"gives {len(results)} results for {len(items)} items"
    json.dumps([model.render(raw, {}) for raw in results], allow_nan=False)
    return None
