"""Warm models: each loaded once, warmed up before it serves, with a lane of its own."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from core.catalogue import Catalogue
from core.errors import ArtefactError, ItemError
from core.settings import Settings
from worker.batching import Lane
from worker.metrics import Metrics
from worker.models.base import Model
from worker.models.load import load_model

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WarmModel:
    """A model that is ready, and the way into it."""

    model: Model
    lane: Lane


class WarmModels:
    """Every model of the models folder that has been asked for, by NAME@VERSION."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._catalogue = Catalogue(settings.models_dir)
        self._warm: dict[str, WarmModel] = {}
        self._lock = threading.Lock()

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
        installed = self._catalogue.resolve(task, wanted)
        assert installed.manifest is not None
        model_id = installed.manifest.id
        with self._lock:
            if model_id not in self._warm:
                self._warm[model_id] = self._load(installed.folder, model_id)
            return self._warm[model_id]

    def names(self) -> list[str]:
        """NAME@VERSION of the models that are warm."""
        return sorted(self._warm)

    def close(self) -> None:
        """Stop every lane."""
        for warm in self._warm.values():
            warm.lane.close()

    def _load(self, folder: Path, model_id: str) -> WarmModel:
        started = monotonic()
        model = load_model(folder, self._settings)
        fills = self._metrics.batch_items.labels(model_id)
        seconds = self._metrics.stage.labels("infer")

        def observe(items: int, took: float) -> None:
            fills.observe(items)
            seconds.observe(took)

        lane = Lane(
            model.predict,
            batch_size=self._settings.batch_size,
            streams=model.streams,
            name=model_id,
            observe=observe,
        )
        log.info("model is warm", extra={"model": model_id, "seconds": round(monotonic() - started, 2)})
        return WarmModel(model, lane)


def model_unavailable(error: ArtefactError) -> ItemError:
    """What an item is told when this worker does not have the model that its job was promised."""
    return ItemError("model_unavailable", f"This worker cannot run the model: {error.message}", permanent=False)
