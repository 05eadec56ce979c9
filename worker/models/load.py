"""Load an artefact, or refuse it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from core.artefacts.catalogue import Catalogue
from core.artefacts.manifest import Manifest, check_files, load_manifest
from core.artefacts.onnx_export import F16_CUDA
from core.artefacts.variants import F32, ChosenVariant, choose_variant
from core.calibration.found_file import Found
from core.calibration.setups import RunsAs, Setup, runs_as
from core.errors import ArtefactError
from core.processor import this_processor
from core.settings import Settings
from core.tasks import TASKS
from worker.models.encoders import encoder_missing
from worker.models.model import Encoder, Loaded, Model, encoder_in
from worker.models.warm_up import warm_up
from worker.runtimes.checked import CheckedRuntime
from worker.runtimes.choose import load_runtime, onnx_compute, runtime_of
from worker.runtimes.runtime import Runtime

log = logging.getLogger(__name__)

# Kind in the manifest -> class, imported when the first artefact of that kind is loaded.
KINDS = {
    "captioner": "worker.models.captioner.Captioner",
    "image-classifier": "worker.models.image_classifier.ImageClassifier",
    "image-encoder": "worker.models.image_encoder.ImageEncoder",
    "tagger": "worker.models.tagger.Tagger",
    "text-classifier": "worker.models.text_classifier.TextClassifier",
    "text-encoder": "worker.models.text_encoder.TextEncoder",
}
PLUG_INS = "tagline.models"  # the group of entry points in which other packages offer kinds of their own
GetEncoder = Callable[[str], Loaded]


def load_artefact(
    folder: Path, settings: Settings, get_encoder: GetEncoder | None = None, variant: ChosenVariant | None = None
) -> Loaded:
    """What is in `folder`, verified, loaded and warmed up.

    Args:
        folder: the artefact.
        settings: which runtime to use.
        get_encoder: gives what is loaded of a NAME@VERSION that this artefact reads; unless given, that is loaded from
            the folders beside this one.
        variant: of its graph; that of `setup_for` unless given.

    Raises:
        ArtefactError: it is incomplete or damaged (see `load_manifest`), of an unknown kind (`kind_unknown`) or of one
            whose package cannot be imported (`kind_broken`), its runtime is missing (`runtime_missing`), what it reads
            is missing or does not fit (`encoder_missing`, `encoder_mismatch`), it takes or does something else than
            its task needs (`manifest_invalid`), or it does not do what its manifest says (`warm_up_failed`).
    """
    manifest = load_manifest(folder)
    kind = _kind(manifest)
    get = get_encoder or (lambda model_id: load_encoder(Catalogue(folder.parent), model_id, settings))
    encoders: dict[str, Loaded] = {
        role: _encoder(manifest, role, model_id, get) for role, model_id in manifest.encoders.items()
    }
    if manifest.task in TASKS and manifest.medium != TASKS[manifest.task].medium:
        wanted = TASKS[manifest.task].medium
        raise ArtefactError(
            "manifest_invalid", f"{manifest.id} takes {manifest.medium}s, {manifest.task} has {wanted}s"
        )
    try:
        if not getattr(kind, "needs_runtime", True):
            loaded = kind(folder, manifest, None, encoders)
            warm_up(loaded, encoders)
        else:
            chosen = variant or variant_for(folder, manifest, settings)
            for one in manifest.variants:
                if one.name == chosen.name:
                    check_files(folder, one)
            loaded_graph = load_runtime(folder / chosen.graph, settings.runtime, chosen.compute, chosen.streams)
            log.info("graph is loaded", extra={"model": manifest.id, **_runs(loaded_graph)})
            runtime = CheckedRuntime(loaded_graph, manifest)
            loaded = kind(folder, manifest, runtime, encoders)
            warm_up(loaded, encoders)
            runtime.stop_checking()
    except ArtefactError:
        raise
    except Exception as error:  # whatever a kind does with an artefact it does not expect
        raise ArtefactError("warm_up_failed", f"{manifest.id} cannot be loaded: {error}") from error
    if manifest.task in TASKS and not isinstance(loaded, Model):
        raise ArtefactError("manifest_invalid", f"{manifest.id}: kind {manifest.kind} does no {manifest.task!r}")
    return loaded


def setup_for(folder: Path, manifest: Manifest, settings: Settings, found: Found | None = None) -> RunsAs:
    """How an artefact runs on this machine, by the settings and what was found.

    Variants of its manifest, and what was found, are OpenVINO's; an export in half precision is ONNX Runtime's;
    TensorFlow runs "f32" alone.
    """
    graph = folder / manifest.graph
    runtime = runtime_of(graph, settings.runtime)
    if runtime == "openvino":
        return runs_as(manifest, settings, this_processor(), found)
    half = runtime == "onnx" and onnx_compute(graph, settings.precision) == "f16"
    return RunsAs(Setup(F16_CUDA if half else F32, settings.batch_size), "pinned" if half else "default")


def variant_of(manifest: Manifest, setup: Setup) -> ChosenVariant:
    """What is loaded for a setup."""
    if setup.variant == F16_CUDA:
        return ChosenVariant(F16_CUDA, manifest.graph, "f16")
    return replace(choose_variant(manifest, setup.variant, this_processor().features), streams=setup.streams)


def variant_for(folder: Path, manifest: Manifest, settings: Settings) -> ChosenVariant:
    """The variant of an artefact that suits this machine and the settings, as long as nothing was measured."""
    return variant_of(manifest, setup_for(folder, manifest, settings).setup)


def load_model(folder: Path, settings: Settings) -> Model:
    """The model in `folder`, and what it reads loaded from the folders beside it.

    Raises:
        ArtefactError: as `load_artefact`; `manifest_invalid` if other models alone can use it.
    """
    loaded = load_artefact(folder, settings)
    if not isinstance(loaded, Model):
        raise ArtefactError("manifest_invalid", f"{loaded.manifest.id}: kind {loaded.manifest.kind} does no task")
    return loaded


def load_encoder(catalogue: Catalogue, model_id: str, settings: Settings) -> Loaded:
    """The NAME@VERSION that others read.

    Raises:
        ArtefactError: it is not installed, cannot be used, or reads another model itself.
    """
    installed = catalogue.find(model_id)
    if installed.manifest is not None and installed.manifest.encoders:
        raise ArtefactError("encoder_mismatch", f"{model_id} reads another model itself")
    return load_artefact(installed.folder, settings)


def _kind(manifest: Manifest) -> Callable[..., Loaded]:
    """The class for an artefact's kind: our own, or another package's."""
    if manifest.kind in KINDS:
        module, _, attribute = KINDS[manifest.kind].rpartition(".")
        return cast(Callable[..., Loaded], getattr(import_module(module), attribute))
    offered = entry_points(group=PLUG_INS)
    for point in offered.select(name=manifest.kind):
        try:
            return cast(Callable[..., Loaded], point.load())
        except Exception as error:  # whatever another package does when it is imported
            raise ArtefactError("kind_broken", f"{manifest.id}: {point.value} cannot be imported: {error}") from error
    known = ", ".join(sorted({*KINDS, *offered.names}))
    raise ArtefactError("kind_unknown", f"{manifest.id} is a {manifest.kind!r}; there is {known}")


def _runs(runtime: Runtime) -> dict[str, str]:
    return {"runtime": runtime.name, "device": runtime.device}


def _encoder(manifest: Manifest, role: str, model_id: str, get: GetEncoder) -> Loaded:
    """What an artefact reads as its image or text encoder."""
    try:
        loaded = get(model_id)
    except ArtefactError as error:
        raise encoder_missing(manifest, model_id, str(error)) from error
    encoder: Encoder | None = encoder_in(loaded)
    if role == "image":
        if encoder is None:
            raise ArtefactError("encoder_mismatch", f"{model_id} is a {loaded.manifest.kind}, not an image encoder")
        return encoder
    return loaded
