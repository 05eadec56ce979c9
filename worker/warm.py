"""Warm models: each loaded once, warmed up before it serves, with a lane of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.catalogue import Catalogue, Installed
from core.errors import ArtefactError, ItemError
from core.imaging import ImageSpec
from core.settings import Settings
from core.tasks import TASKS
from worker.batching import Lane
from worker.metrics import Metrics
from worker.models.base import Encoder, Model
from worker.models.load import load_model
from worker.models.standing import image_feature

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Look:
    """What an encoder is asked: pixels uint8 [height, width, 3], and the names of the outputs that are needed."""

    pixels: NDArray[np.uint8]
    outputs: frozenset[str]


@dataclass(frozen=True, slots=True)
class WarmEncoder:
    """An encoder that is ready; its lane takes `Look`s and gives the outputs asked for, by name."""

    id: str
    spec: ImageSpec
    lane: Lane


@dataclass(frozen=True, slots=True)
class WarmModel:
    """A model that is ready, and the way into it.

    Attributes:
        lane: takes `Query`s and gives raw results; None where the encoder's output is the raw result.
        stands_on: the encoder whose output is the value of its queries, and the name of that output; None if it takes
            pixels or texts.
        encoder: itself as an encoder, if it is one.
    """

    model: Model
    lane: Lane | None
    stands_on: tuple[WarmEncoder, str] | None = None
    encoder: WarmEncoder | None = None


class WarmModels:
    """Every model of the models folder that has been asked for, by NAME@VERSION."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._catalogue = Catalogue(settings.models_dir)
        self._warm: dict[str, WarmModel] = {}
        self._lock = threading.RLock()  # loading a model may load what it stands on

    def load_defaults(self) -> None:
        """Warm the default model of every task.

        Raises:
            ArtefactError: one of them cannot serve; a worker that cannot do its work must not start.
        """
        for task in self._catalogue.defaults():
            self.get(task, None)

    def get(self, task: str, wanted: str | None) -> WarmModel:
        """The model for a task, loaded now if it is asked for the first time.

        Raises:
            ArtefactError: there is no such model, or it cannot serve.
        """
        if wanted in self._warm:  # jobs carry the NAME@VERSION that they were promised
            return self._warm[wanted]
        return self._ready(self._catalogue.resolve(task, wanted))

    def names(self) -> list[str]:
        """NAME@VERSION of the models that are warm."""
        return sorted(self._warm)

    def close(self) -> None:
        """Stop every lane, those first that feed others."""
        for lane in [one.encoder.lane for one in self._warm.values() if one.encoder]:
            lane.close()
        for lane in [one.lane for one in self._warm.values() if one.lane]:
            lane.close()

    def _ready(self, installed: Installed) -> WarmModel:
        assert installed.manifest is not None
        model_id = installed.manifest.id
        with self._lock:
            if model_id not in self._warm:
                self._warm[model_id] = self._load(installed)
            return self._warm[model_id]

    def _load(self, installed: Installed) -> WarmModel:
        started = monotonic()
        model = load_model(installed.folder, self._settings, lambda model_id: self._encoder(model_id).model)
        warm = self._with_lanes(model)
        log.info("model is warm", extra={"model": model.manifest.id, "seconds": round(monotonic() - started, 2)})
        return warm

    def _encoder(self, model_id: str) -> WarmModel:
        """The model that another stands on.

        Raises:
            ArtefactError: it cannot be used.
        """
        if model_id in self._warm:
            return self._warm[model_id]
        installed = self._catalogue.find(model_id)
        if installed.manifest is not None and installed.manifest.encoders:
            raise ArtefactError("encoder_mismatch", f"{model_id} stands on another model itself")
        return self._ready(installed)

    def _with_lanes(self, model: Model) -> WarmModel:
        manifest = model.manifest
        if isinstance(model, Encoder) and isinstance(manifest.preprocessing, ImageSpec):
            lane = self._lane(model, lambda looks: _encode(model, looks))
            itself = WarmEncoder(manifest.id, manifest.preprocessing, lane)
            return WarmModel(model, None, (itself, model.own), itself)
        if manifest.task not in TASKS:  # only other models use it
            return WarmModel(model, None)
        lane = self._lane(model, model.predict)
        if "image" not in manifest.encoders:
            return WarmModel(model, lane)
        below = self._encoder(manifest.encoders["image"])
        assert below.encoder is not None  # or the model would not have been warmed up
        return WarmModel(model, lane, (below.encoder, image_feature(manifest, below.model.manifest)))

    def _lane(self, model: Model, predict: Callable[[Sequence[Any]], Sequence[Any]]) -> Lane:
        name = model.manifest.id
        fills = self._metrics.batch_items.labels(name)
        seconds = self._metrics.infer.labels(name)

        def observe(items: int, took: float) -> None:
            fills.observe(items)
            seconds.observe(took)

        size = self._settings.batch_size
        return Lane(predict, batch_size=size, streams=model.streams, name=name, observe=observe)


def _encode(model: Encoder, looks: Sequence[Look]) -> list[dict[str, NDArray[Any]]]:
    """One run for all; it gives what any of the photos needs, and each keeps what it asked for."""
    outputs = sorted(set().union(*(look.outputs for look in looks)))
    rows = model.encode([look.pixels for look in looks], outputs)
    return [{name: row[name] for name in look.outputs} for look, row in zip(looks, rows, strict=True)]


def model_unavailable(error: ArtefactError) -> ItemError:
    """What an item is told when this worker does not have the model that its job was promised."""
    return ItemError("model_unavailable", f"This worker cannot run the model: {error.message}", permanent=False)
