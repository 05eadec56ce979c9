"""Load an artefact into a warm model, or refuse it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import Manifest, load_manifest
from core.errors import ArtefactError
from core.images.decode import ImageSpec
from core.settings import Settings
from core.tasks import TASKS, read_options
from worker.models.encoders import encoder_missing, image_feature
from worker.models.model import Encoder, InferenceRequest, Model, Output, TextModel
from worker.runtimes.checked import CheckedRuntime
from worker.runtimes.choose import load_runtime

# Kind in the manifest -> class, imported when the first artefact of that kind is loaded.
KINDS = {
    "captioner": "worker.models.captioner.Captioner",
    "image-classifier": "worker.models.image_classifier.ImageClassifier",
    "tagger": "worker.models.tagger.Tagger",
    "text-classifier": "worker.models.text_classifier.TextClassifier",
    "text-encoder": "worker.models.text_encoder.TextEncoder",
}
PLUG_INS = "tagline.models"  # the group of entry points in which other packages offer kinds of their own
EXAMPLE_TEXT = "An example of a text: it was not bad at all, call 0800 123 4567."
GetEncoder = Callable[[str], Model]


def load_model(folder: Path, settings: Settings, get_encoder: GetEncoder | None = None) -> Model:
    """The artefact in `folder`, verified, loaded and warmed up.

    Args:
        folder: the artefact.
        settings: which runtime to use.
        get_encoder: gives the warm model of a NAME@VERSION that this one stands on; unless given, that is loaded from
            the folders beside this one.

    Raises:
        ArtefactError: it is incomplete or damaged (see `load_manifest`), of an unknown kind (`kind_unknown`) or of one
            whose package cannot be imported (`kind_broken`), its runtime is missing (`runtime_missing`), what it stands
            on is missing or does not fit (`encoder_missing`, `encoder_mismatch`), or it does not do what its manifest
            says (`warm_up_failed`).
    """
    manifest = load_manifest(folder)
    kind = _kind(manifest)
    get = get_encoder or (lambda model_id: load_encoder(Catalogue(folder.parent), model_id, settings))
    encoders: dict[str, Model] = {
        role: _encoder(manifest, model_id, get) for role, model_id in manifest.encoders.items()
    }
    if manifest.task in TASKS and manifest.medium != TASKS[manifest.task].medium:
        wanted = TASKS[manifest.task].medium
        raise ArtefactError(
            "manifest_invalid", f"{manifest.id} takes {manifest.medium}s, {manifest.task} has {wanted}s"
        )
    try:
        if not getattr(kind, "needs_runtime", True):
            model: Model = kind(folder, manifest, None, encoders)
            warm_up(model, encoders)
            return model
        runtime = CheckedRuntime(load_runtime(folder / manifest.graph, settings.runtime), manifest)
        model = kind(folder, manifest, runtime, encoders)
        warm_up(model, encoders)
        runtime.trust()
    except ArtefactError:
        raise
    except Exception as error:  # whatever a kind does with an artefact it does not expect
        raise ArtefactError("warm_up_failed", f"{manifest.id} cannot be loaded: {error}") from error
    return model


def load_encoder(catalogue: Catalogue, model_id: str, settings: Settings) -> Model:
    """The model NAME@VERSION that others stand on.

    Raises:
        ArtefactError: it is not installed, cannot be used, or stands on others itself.
    """
    installed = catalogue.find(model_id)
    if installed.manifest is not None and installed.manifest.encoders:
        raise ArtefactError("encoder_mismatch", f"{model_id} stands on another model itself")
    return load_model(installed.folder, settings)


def _kind(manifest: Manifest) -> Callable[..., Model]:
    """The class for an artefact's kind: our own, or another package's."""
    if manifest.kind in KINDS:
        module, _, attribute = KINDS[manifest.kind].rpartition(".")
        return cast(Callable[..., Model], getattr(import_module(module), attribute))
    offered = entry_points(group=PLUG_INS)
    for point in offered.select(name=manifest.kind):
        try:
            return cast(Callable[..., Model], point.load())
        except Exception as error:  # whatever another package does when it is imported
            raise ArtefactError("kind_broken", f"{manifest.id}: {point.value} cannot be imported: {error}") from error
    known = ", ".join(sorted({*KINDS, *offered.names}))
    raise ArtefactError("kind_unknown", f"{manifest.id} is a {manifest.kind!r}; there is {known}")


def _encoder(manifest: Manifest, model_id: str, get: GetEncoder) -> Model:
    try:
        return get(model_id)
    except ArtefactError as error:
        raise encoder_missing(manifest, model_id, str(error)) from error


def warm_up(model: Model, encoders: Mapping[str, Model]) -> None:
    """Run the model on an example, so that the first user does not wait and a broken graph is never served.

    Raises:
        ArtefactError: `warm_up_failed`, it raised, or gave something else than it should; `encoder_mismatch`.
    """
    try:
        request = InferenceRequest(_example(model, encoders), read_options(model.manifest.task, {}))
        for size in (1, 2):
            complaint = _complaint(model, [request] * size)
            if complaint:
                raise ArtefactError("warm_up_failed", f"{model.manifest.id} {complaint}")
    except ArtefactError:
        raise
    except Exception as error:
        raise ArtefactError("warm_up_failed", f"{model.manifest.id} fails on an example: {error}") from error


def _example(model: Model, encoders: Mapping[str, Model]) -> Any:
    """The input of a request that this model should be able to answer."""
    spec = model.manifest.preprocessing
    if not isinstance(spec, ImageSpec):
        return cast(TextModel, model).prepare(EXAMPLE_TEXT)
    image = _grey(spec)
    if "image" not in encoders:
        return image
    encoder = encoders["image"]
    feature = image_feature(model.manifest, encoder.manifest)
    if not isinstance(encoder, Encoder):
        raise ArtefactError("encoder_mismatch", f"{encoder.manifest.id} is a {encoder.manifest.kind}, not an encoder")
    return encoder.encode([image], (feature,))[0][feature]


def _grey(spec: ImageSpec) -> NDArray[np.uint8]:
    """A grey gradient, uint8 [height, width, 3]."""
    width, height = spec.size
    row = np.linspace(0, 255, width).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))


def _complaint(model: Model, requests: list[InferenceRequest[Any]]) -> str | None:
    """What is wrong with the model's answers to a few examples, or None; the runtime has looked at the numbers."""
    results = model.predict(requests)
    if isinstance(model, Encoder):  # its own output first: that is compiled alone, and everything else together
        model.encode([request.input for request in requests], sorted(model.manifest.outputs))
    if len(results) != len(requests):
        return f"gives {len(results)} results for {len(requests)} items"
    rendered = [model.render(raw, requests[0].options) for raw in results]
    json.dumps([one.json if isinstance(one, Output) else one for one in rendered], allow_nan=False)
    return None
