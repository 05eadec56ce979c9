"""Opening lanes: one for each encoder, and one for each model that runs more than its encoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from core.artefacts.manifest import Manifest
from core.artefacts.variants import F32, joint_name
from core.calibration.setups import RunsAs, Setup
from core.images.decode import ImageSpec
from core.settings import Settings
from core.tasks import TASKS
from worker.inference.batching import Lane, join_lists
from worker.inference.in_flight import InFlight
from worker.metrics import Metrics
from worker.models.encoders import image_feature
from worker.models.many_texts import ManyTexts
from worker.models.model import Encoder, Loaded, Model, OutputReader, encoder_in

TEXTS_AT_A_TIME = 512  # most texts in a batch of a model that takes many; it cuts them as it likes
Predict = Callable[[Any], Sequence[Any]]


class OpenLane(Protocol):
    """Opens a lane for what a model predicts; `join` where it takes many texts at a time."""

    def __call__(self, predict: Predict, join: Callable[[Sequence[Any]], Any] | None = None) -> Lane: ...


@dataclass(frozen=True, slots=True)
class EncoderRequest:
    """What an encoder is asked: pixels uint8 [height, width, 3], and the names of the outputs that are needed."""

    pixels: NDArray[np.uint8]
    outputs: frozenset[str]


@dataclass(frozen=True, slots=True)
class ServedEncoder:
    """An encoder that is ready; its lane takes `EncoderRequest`s and gives the outputs asked for, by name."""

    manifest: Manifest
    lane: Lane
    variant: str = F32

    @property
    def id(self) -> str:
        """NAME@VERSION of its artefact."""
        return self.manifest.id

    @property
    def spec(self) -> ImageSpec:
        """How it wants its images."""
        spec = self.manifest.preprocessing
        assert isinstance(spec, ImageSpec)
        return spec


@dataclass(frozen=True, slots=True)
class EncoderOutput:
    """One output of an encoder, by its name."""

    encoder: ServedEncoder
    name: str


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that is ready, and its lane.

    Attributes:
        lane: takes `InferenceRequest`s, or batches of texts where the model takes many, and gives raw results; None
            where `predict` runs nothing and needs no batch.
        reads: the output whose rows are the inputs of its requests; None if it takes pixels or texts.
        variant: what its results come from, its encoder's included; see `joint_name`.
    """

    model: Model
    lane: Lane | None
    reads: EncoderOutput | None = None
    variant: str = F32


@dataclass(frozen=True, slots=True)
class ServedArtefact:
    """All that is served out of one artefact.

    Attributes:
        loaded: what was loaded from it.
        model: what does its task; None if other models alone use it.
        encoder: its image encoder, if it holds one.
        runs: how its own graph runs.
        folder: where it lies.
    """

    loaded: Loaded
    model: ServedModel | None
    encoder: ServedEncoder | None
    runs: RunsAs
    folder: Path = Path()

    @property
    def variant(self) -> str:
        """The artefact's own; what its encoder runs in is another matter."""
        return self.runs.setup.variant


def open_lanes(
    loaded: Loaded,
    settings: Settings,
    metrics: Metrics,
    in_flight: InFlight,
    image_encoder: ServedEncoder | None,
    runs: RunsAs | None = None,
) -> ServedArtefact:
    """What has been warmed up, with its lanes running.

    Args:
        loaded: what was loaded from an artefact.
        settings: how large a batch may be, unless `runs` says so.
        metrics: told of every batch.
        in_flight: told what runs.
        image_encoder: the one that the artefact's manifest names, if it does.
        runs: how the artefact's graph was loaded; as it is unless given.
    """
    runs = runs or RunsAs(Setup(F32, settings.batch_size), "default")
    setup = runs.setup
    variant = setup.variant

    def lane(predict: Predict, join: Callable[[Sequence[Any]], Any] | None = None) -> Lane:
        name = loaded.manifest.id
        fills, seconds = metrics.batch_items.labels(name), metrics.infer.labels(name, variant)

        def observe(items: int, took: float) -> None:
            fills.observe(items)
            seconds.observe(took)

        size, streams = TEXTS_AT_A_TIME if join else setup.batch_size, loaded.streams
        return Lane(
            predict, batch_size=size, streams=streams, name=name, in_flight=in_flight, observe=observe,
            join=join or join_lists, linger=join is None,
        )  # fmt: skip

    encoder = encoder_in(loaded)
    own_encoder = ServedEncoder(encoder.manifest, lane(partial(_encode, encoder)), variant) if encoder else None
    does_task = isinstance(loaded, Model) and loaded.manifest.task in TASKS
    model = _open_model(cast(Model, loaded), lane, own_encoder, image_encoder, variant) if does_task else None
    return ServedArtefact(loaded, model, own_encoder, runs)


def _open_model(
    model: Model,
    lane: OpenLane,
    own_encoder: ServedEncoder | None,
    image_encoder: ServedEncoder | None,
    variant: str,
) -> ServedModel:
    if isinstance(model, OutputReader):
        assert own_encoder is not None
        return ServedModel(model, None, EncoderOutput(own_encoder, model.output), variant)
    if isinstance(model, ManyTexts):
        return ServedModel(model, lane(model.predict_texts, model.join_texts), variant=variant)
    if image_encoder is None:
        return ServedModel(model, lane(model.predict), variant=variant)
    feature = image_feature(model.manifest, image_encoder.manifest)
    read, joint = EncoderOutput(image_encoder, feature), joint_name((image_encoder.variant, variant))
    return ServedModel(model, lane(model.predict), read, joint)


def _encode(encoder: Encoder, requests: Sequence[EncoderRequest]) -> list[dict[str, NDArray[Any]]]:
    """One run for all photos, of every output that one of them needs; each keeps those it asked for."""
    outputs = sorted(set().union(*(request.outputs for request in requests)))
    rows = encoder.encode([request.pixels for request in requests], outputs)
    return [{name: row[name] for name in request.outputs} for request, row in zip(requests, rows, strict=True)]
