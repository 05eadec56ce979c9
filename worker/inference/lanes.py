"""The ways into warm models: a lane for each encoder, and one for each model that does more than read its output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.images.decode import ImageSpec
from core.settings import Settings
from core.tasks import TASKS
from worker.inference.batching import Lane
from worker.inference.progress import Progress
from worker.models.encoders import image_feature
from worker.models.model import Encoder, Model
from worker.process.metrics import Metrics


@dataclass(frozen=True, slots=True)
class EncoderRequest:
    """What an encoder is asked: pixels uint8 [height, width, 3], and the names of the outputs that are needed."""

    pixels: NDArray[np.uint8]
    outputs: frozenset[str]


@dataclass(frozen=True, slots=True)
class ServedEncoder:
    """An encoder that is ready; its lane takes `EncoderRequest`s and gives the outputs asked for, by name."""

    id: str
    spec: ImageSpec
    lane: Lane


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """One output of an encoder, by its name."""

    encoder: ServedEncoder
    name: str


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is ready, and the way into it.

    Attributes:
        lane: takes `InferenceRequest`s and gives raw results; None where the encoder's output is the raw result.
        reads: the output whose rows are the inputs of its requests; None if it takes pixels or texts.
        encoder: itself as an encoder, if it is one.
    """

    model: Model
    lane: Lane | None
    reads: EncoderOutput | None = None
    encoder: ServedEncoder | None = None


def open_lanes(
    model: Model, settings: Settings, metrics: Metrics, progress: Progress, below: ServedModel | None
) -> ServedModel:
    """A model that has been warmed up, with its lanes running.

    Args:
        model: what was loaded.
        settings: how large a batch may be.
        metrics: told of every batch.
        progress: told what runs.
        below: the image encoder that the model stands on, if it names one.
    """

    def lane(predict: Callable[[Sequence[Any]], Sequence[Any]]) -> Lane:
        name = model.manifest.id
        fills, seconds = metrics.batch_items.labels(name), metrics.infer.labels(name)

        def observe(items: int, took: float) -> None:
            fills.observe(items)
            seconds.observe(took)

        size, streams = settings.batch_size, model.streams
        return Lane(predict, batch_size=size, streams=streams, name=name, progress=progress, observe=observe)

    manifest = model.manifest
    if isinstance(model, Encoder) and isinstance(manifest.preprocessing, ImageSpec):
        itself = ServedEncoder(manifest.id, manifest.preprocessing, lane(lambda requests: _encode(model, requests)))
        return ServedModel(model, None, EncoderOutput(itself, model.own), itself)
    if manifest.task not in TASKS:  # only other models use it
        return ServedModel(model, None)
    if below is None:
        return ServedModel(model, lane(model.predict))
    assert below.encoder is not None  # or the model would not have been warmed up
    output = image_feature(manifest, below.model.manifest)
    return ServedModel(model, lane(model.predict), EncoderOutput(below.encoder, output))


def _encode(model: Encoder, requests: Sequence[EncoderRequest]) -> list[dict[str, NDArray[Any]]]:
    """One run for all; it gives what any of the photos needs, and each keeps what it asked for."""
    outputs = sorted(set().union(*(request.outputs for request in requests)))
    rows = model.encode([request.pixels for request in requests], outputs)
    return [{name: row[name] for name in request.outputs} for request, row in zip(requests, rows, strict=True)]
