"""Warm models: each loaded once, warmed up before it serves, with a lane of its own."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from pathlib import Path
from time import monotonic

from core.artefacts.catalogue import Catalogue, Installed
from core.artefacts.manifest import Manifest
from core.artefacts.variants import F32
from core.calibration.announced import announce
from core.calibration.found_file import CalibrationRoom, Found
from core.calibration.setups import RunsAs, Setup, calibration_key
from core.errors import ArtefactError, ItemError
from core.processor import this_processor
from core.settings import Settings
from core.tasks import TASKS
from worker.inference.in_flight import InFlight
from worker.inference.lanes import ServedArtefact, ServedModel, open_lanes
from worker.metrics import Metrics
from worker.models.image_encoder import ImageEncoder
from worker.models.load import load_artefact, setup_for, variant_of
from worker.models.model import Loaded, encoder_in
from worker.runtimes.choose import runtime_of

log = logging.getLogger(__name__)


class ModelRepository:
    """Every model of the models folder that has been asked for, by NAME@VERSION.

    A model stays warm until the worker stops: jobs may be pinned to it.
    """

    def __init__(self, settings: Settings, metrics: Metrics, in_flight: InFlight | None = None) -> None:
        self._settings = settings
        self._metrics = metrics
        self._in_flight = in_flight or InFlight()
        self._catalogue = Catalogue(settings.models_dir)
        self._warm: dict[str, ServedArtefact] = {}  # replaced, never changed, so that reading it needs no lock
        self._room = CalibrationRoom(settings.data_dir)
        self._told = False  # that what is kept of measurements cannot be used
        self._defaults: dict[str, str] = {}  # task: NAME@VERSION
        self._refused: dict[str, tuple[Manifest, ArtefactError]] = {}  # not tried again until the next reload
        self._lock = threading.RLock()  # loading a model may load the encoders that it reads

    def load_defaults(self) -> None:
        """Warm the default model of every task: its newest version that works.

        Raises:
            ArtefactError: a task has none; a worker that cannot do its work must not start.
        """
        self._report_broken()
        self._defaults = {task: self._newest(task, wanted) for task, wanted in self._catalogue.defaults().items()}

    def reload(self) -> None:
        """Warm what is new in the models folder, then let it take over; what cannot serve changes nothing.

        New are other defaults, and newer versions of any model that is warm. Never raises. Batches under way and jobs
        that are pinned to another version go on with that.
        """
        self._report_broken()
        self._refused = {}
        try:
            defaults = self._catalogue.defaults()
        except ArtefactError as error:
            log.error("the defaults stay as they are: %s", error, extra={"code": error.code})
            defaults = dict(self._defaults)
        for task, wanted in defaults.items():
            self._defaults = {
                **self._defaults,
                task: self._try_newest(task, wanted) or self._defaults.get(task, wanted),
            }
        for task, name in {(one.loaded.manifest.task, one.loaded.manifest.name) for one in self._warm.values()}:
            if task in TASKS and defaults.get(task, "").split("@")[0] != name:
                self._try_newest(task, name)
        log.info("models are reloaded", extra={"defaults": self._defaults, "warm": self.names()})

    def get(self, task: str, wanted: str | None) -> ServedModel:
        """The model for a task, loaded now if it is asked for the first time.

        Raises:
            ArtefactError: there is no such model, or it cannot serve.
        """
        wanted = wanted or self._defaults.get(task)
        # Jobs carry the NAME@VERSION that they are pinned to.
        found = self._warm.get(wanted or "") or self._ready(self._catalogue.resolve(task, wanted, self.names()))
        if found.model is None:
            raise ArtefactError("model_wrong_task", f"{found.loaded.manifest.id} does not do {task!r}")
        return found.model

    def names(self) -> list[str]:
        """NAME@VERSION of the models that are warm, the defaults first: the API learns from this what serves."""
        return [name for name in dict.fromkeys([*self._defaults.values(), *sorted(self._warm)]) if name in self._warm]

    def announced(self) -> list[str]:
        """What the worker says of itself at every beat: `names`, and NAME@VERSION/VARIANT of what has variants; of
        what is measured also how it runs, see `core.calibration.announced`.

        A variant that is none of the manifest, an export's, is named as well.
        """
        served = self._warm.values()
        told = (one for one in served if one.loaded.manifest.variants or one.variant != F32)
        variants = (f"{one.loaded.manifest.id}/{one.variant}" for one in told)
        measured = (one for one in served if _worth_measuring(one))
        setups = (announce(one.loaded.manifest.id, one.runs, one.loaded.streams) for one in measured)
        return [*self.names(), *variants, *setups]

    def measurable(self) -> list[ServedArtefact]:
        """Of what it is worth to measure how it runs best, encoders first: encoders of photos, which take most of the
        time, and what reads one and has variants; as far as OpenVINO runs them."""
        found = [one for one in self._warm.values() if _worth_measuring(one)]
        by_openvino = (one for one in found if runtime_of(_graph(one), self._settings.runtime) == "openvino")
        return sorted(by_openvino, key=lambda one: one.encoder is None)

    def close(self) -> None:
        """Stop every lane, the encoders' first: those feed the others."""
        served = list(self._warm.values())
        encoders = [one.encoder.lane for one in served if one.encoder]
        for lane in [*encoders, *(one.model.lane for one in served if one.model and one.model.lane)]:
            lane.close()

    def _newest(self, task: str, wanted: str) -> str:
        """NAME@VERSION of the newest version that works, warm now; those that do not are logged.

        Raises:
            ArtefactError: none of them works; of the newest.
        """
        failures: list[ArtefactError] = []
        for installed in self._catalogue.candidates(task, wanted):
            assert installed.manifest is not None
            try:
                self._ready(installed)
            except ArtefactError as error:
                log.error("a model is refused: %s", error, extra={"model": installed.manifest.id, "code": error.code})
                failures.append(error)
            else:
                return installed.manifest.id
        raise failures[0]

    def _try_newest(self, task: str, wanted: str) -> str | None:
        try:
            return self._newest(task, wanted)
        except ArtefactError as error:
            log.error("nothing new for a task: %s", error, extra={"task": task, "code": error.code})
            return None

    def _report_broken(self) -> None:
        """Log which folders hold no usable artefact, or another one under the id of a model that is warm."""
        for entry in self._catalogue.entries():
            if entry.error:
                log.error("a model is refused: %s", entry.error, extra={"code": entry.error.code})
            elif entry.manifest and self._differs(entry.manifest):
                reason = f"{entry.folder.name} is not the {entry.manifest.id} that runs; give it a new version"
                log.error("a model is refused: version_reused: %s", reason, extra={"code": "version_reused"})

    def _differs(self, manifest: Manifest) -> bool:
        """Whether another artefact of the same NAME@VERSION is warm."""
        return manifest.id in self._warm and self._warm[manifest.id].loaded.manifest != manifest

    def _ready(self, installed: Installed) -> ServedArtefact:
        assert installed.manifest is not None
        model_id = installed.manifest.id
        with self._lock:
            if model_id not in self._warm:
                warm = self._load_once(installed, installed.manifest)  # may warm the encoders that it reads
                self._warm = {**self._warm, model_id: warm}
            return self._warm[model_id]

    def _load_once(self, installed: Installed, manifest: Manifest) -> ServedArtefact:
        """Load an artefact, or raise again why it could not be loaded: else every chunk of a large job would try."""
        before = self._refused.get(manifest.id)
        if before and before[0] == manifest:
            raise before[1]
        try:
            return self._load(installed)
        except ArtefactError as error:
            self._refused[manifest.id] = (manifest, error)
            raise

    def _load(self, installed: Installed) -> ServedArtefact:
        started = monotonic()
        manifest = installed.manifest
        assert manifest is not None
        loaded, runs = self._load_setup(installed.folder, manifest)
        encoder = manifest.encoders.get("image")
        read = self._encoder(encoder).encoder if encoder else None
        opened = open_lanes(loaded, self._settings, self._metrics, self._in_flight, read, runs)
        served = replace(opened, folder=installed.folder)
        seconds = round(monotonic() - started, 2)
        extra = {"variant": served.variant, "chosen": runs.chosen, "batch_size": runs.setup.batch_size}
        log.info("model is warm", extra={"model": manifest.id, **extra, "streams": loaded.streams, "seconds": seconds})
        return served

    def _load_setup(self, folder: Path, manifest: Manifest) -> tuple[Loaded, RunsAs]:
        """What an artefact holds, and how it runs: as it suits, or as "f32" where that does not work."""
        runs = setup_for(folder, manifest, self._settings, self._found(manifest))
        plain = RunsAs(Setup(F32, self._settings.batch_size), "default")

        def encoder(model_id: str) -> Loaded:
            return self._encoder(model_id).loaded

        try:
            return load_artefact(folder, self._settings, encoder, variant_of(manifest, runs.setup)), runs
        except ArtefactError as error:
            if runs.setup.variant == F32:
                raise
            # What is wrong with both is raised here.
            loaded = load_artefact(folder, self._settings, encoder, variant_of(manifest, plain.setup))
            extra = {"model": manifest.id, "variant": runs.setup.variant, "code": error.code}
            log.error("a variant is refused, f32 serves instead: %s", error, extra=extra)
            return loaded, plain

    def _found(self, manifest: Manifest) -> Found | None:
        """What was found of an artefact by measuring; a file that cannot be used is ignored, and that is said once."""
        kept, fault = self._room.read_or_nothing()
        if fault and not self._told:
            self._told = True
            log.warning("what was measured on this machine is ignored: %s", fault, extra={"file": str(self._room.file)})
        return kept.found.get(calibration_key(manifest, self._settings, this_processor()))

    def _encoder(self, model_id: str) -> ServedArtefact:
        """What another artefact names as an encoder.

        Raises:
            ArtefactError: it cannot be used.
        """
        try:
            installed = self._catalogue.find(model_id)
        except ArtefactError:
            if model_id in self._warm:  # no longer installed, but running
                return self._warm[model_id]
            raise
        if installed.manifest is not None and self._differs(installed.manifest):
            raise ArtefactError("version_reused", f"another {model_id} runs already; give the new one a new version")
        if installed.manifest is not None and installed.manifest.encoders:
            raise ArtefactError("encoder_mismatch", f"{model_id} reads another model itself")
        return self._ready(installed)


def _worth_measuring(served: ServedArtefact) -> bool:
    manifest = served.loaded.manifest
    reads_photos = set(manifest.encoders) == {"image"} and bool(manifest.variants)
    return isinstance(encoder_in(served.loaded), ImageEncoder) or (reads_photos and served.model is not None)


def _graph(served: ServedArtefact) -> Path:
    return served.folder / served.loaded.manifest.graph


def model_unavailable(error: ArtefactError) -> ItemError:
    """The error of items whose job is pinned to a model that this worker cannot load."""
    return ItemError("model_unavailable", f"This worker cannot run the model: {error.message}", permanent=False)
