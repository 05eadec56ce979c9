"""Run what was loaded on an example, so that the first user does not wait and a broken graph is never served."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from core.errors import ArtefactError
from core.images.decode import ImageSpec
from core.tasks import read_options
from worker.models.encoders import image_feature
from worker.models.model import (
    Encoder,
    InferenceRequest,
    Loaded,
    Model,
    Output,
    OutputReader,
    TextModel,
    encoder_in,
)
from worker.models.text_encoder import TextEncoder

EXAMPLE_TEXT = "An example of a text: it was not bad at all, call 0800 123 4567."
SIZES = (1, 2)  # of the batches that are tried


def warm_up(loaded: Loaded, encoders: Mapping[str, Loaded]) -> None:
    """Run everything that an artefact holds on an example.

    Args:
        loaded: what was loaded from it.
        encoders: what it reads, by role.

    Raises:
        ArtefactError: `warm_up_failed`, it raised, or gave something else than it should; `encoder_mismatch`.
    """
    try:
        for size in SIZES:
            if isinstance(loaded, TextEncoder):
                loaded.vectors([EXAMPLE_TEXT] * size)
            if isinstance(loaded, Model):
                _try_model(loaded, encoders, size)
            encoder = encoder_in(loaded)
            if encoder:  # behind the model, which has run the output that it reads alone: that is compiled apart
                encoder.encode([_grey(_image_spec(encoder))] * size, sorted(encoder.manifest.outputs))
    except ArtefactError:
        raise
    except Exception as error:
        raise ArtefactError("warm_up_failed", f"{loaded.manifest.id} fails on an example: {error}") from error


def _try_model(model: Model, encoders: Mapping[str, Loaded], size: int) -> None:
    """Have a model do its task, and check the number of results and their JSON; CheckedRuntime checks the numbers."""
    options = read_options(model.manifest.task, {})
    requests = [InferenceRequest(value, options) for value in examples(model, encoders, size)]
    results = model.predict(requests)
    if len(results) != len(requests):
        reason = f"gives {len(results)} results for {len(requests)} items"
        raise ArtefactError("warm_up_failed", f"{model.manifest.id} {reason}")
    rendered = [model.render(raw, options) for raw in results]
    json.dumps([one.json if isinstance(one, Output) else one for one in rendered], allow_nan=False)


def examples(model: Model, encoders: Mapping[str, Loaded], size: int) -> Sequence[Any]:
    """Inputs of requests that a model should be able to answer, as many as `size`; `encoders` as of `warm_up`."""
    spec = model.manifest.preprocessing
    if not isinstance(spec, ImageSpec):
        return [cast(TextModel, model).prepare(EXAMPLE_TEXT)] * size
    images = [_grey(spec)] * size
    if isinstance(model, OutputReader):
        return [row[model.output] for row in model.encoder.encode(images, (model.output,))]
    if "image" not in encoders:
        return images
    encoder = cast(Encoder, encoders["image"])
    feature = image_feature(model.manifest, encoder.manifest)
    return [row[feature] for row in encoder.encode(images, (feature,))]


def _image_spec(encoder: Encoder) -> ImageSpec:
    spec = encoder.manifest.preprocessing
    assert isinstance(spec, ImageSpec)
    return spec


def _grey(spec: ImageSpec) -> NDArray[np.uint8]:
    """A grey gradient, uint8 [height, width, 3]."""
    width, height = spec.size
    row = np.linspace(0, 255, width).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(row[None, :, None], (height, width, 3)))
