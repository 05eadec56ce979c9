"""What is run to see how fast a setup is: graphs of their own, so that what serves stays as it is for a job that comes.

A workload loads an artefact in a setup and gives a function that runs so many items through it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from core.artefacts.manifest import Manifest, check_files
from core.artefacts.variants import ChosenVariant
from core.calibration.setups import Setup
from core.errors import ArtefactError
from core.images.decode import ImageSpec
from core.settings import Settings
from core.tasks import read_options
from worker.models.load import GetEncoder, load_artefact, variant_of
from worker.models.model import InferenceRequest, Loaded, Model, encoder_in
from worker.models.warm_up import examples
from worker.runtimes.checked import CheckedRuntime
from worker.runtimes.choose import load_runtime

Run = Callable[[int], object]
Workload = Callable[[Setup], Run]


def encoder_workload(folder: Path, manifest: Manifest) -> Workload:
    """Photos through an image encoder, for all its outputs; nothing else of the artefact is loaded."""
    spec = manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    width, height = spec.size
    photo = np.random.default_rng(0).integers(0, 255, (height, width, 3), np.uint8)
    (name,) = manifest.inputs

    def load(setup: Setup) -> Run:
        chosen = _chosen(manifest, setup)
        for variant in manifest.variants:
            if variant.name == chosen.name:
                check_files(folder, variant)
        graph = load_runtime(folder / chosen.graph, "openvino", chosen.compute, chosen.streams)
        runtime = CheckedRuntime(graph, manifest)
        return lambda items: runtime.run({name: np.repeat(photo[None], items, axis=0)}, sorted(manifest.outputs))

    return load


def model_workload(folder: Path, manifest: Manifest, settings: Settings, get_encoder: GetEncoder) -> Workload:
    """An example through a model that reads an encoder, as often as wanted; `get_encoder` gives what is loaded."""
    options = read_options(manifest.task, {})
    read = {role: get_encoder(model_id) for role, model_id in manifest.encoders.items()}
    encoders: dict[str, Loaded] = {role: encoder_in(one) or one for role, one in read.items()}

    def load(setup: Setup) -> Run:
        model = load_artefact(folder, settings, get_encoder, _chosen(manifest, setup))
        assert isinstance(model, Model)
        (value,) = examples(model, encoders, 1)
        request = InferenceRequest(value, options)
        return lambda items: model.predict([request] * items)

    return load


def _chosen(manifest: Manifest, setup: Setup) -> ChosenVariant:
    """What is loaded for a setup.

    Raises:
        ArtefactError: `variant_missing`; something else would pass for it.
    """
    chosen = variant_of(manifest, setup)
    if chosen.name != setup.variant:
        raise ArtefactError("variant_missing", f"{manifest.id} has no {setup.variant} here")
    return chosen
