"""The thread that measures, when a worker is ready and has nothing to do, and keeps what it found for the next start.

A worker does not change what it runs while it runs: its jobs, and the chunks of one job, come out of one precision.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from core.calibration.found_file import TRIES, CalibrationRoom, Found
from core.calibration.setups import calibration_key, most_streams, variants_to_try
from core.processor import this_processor
from core.settings import Settings
from worker.calibration.idleness import Processors
from worker.calibration.search import OutOfTime, search
from worker.calibration.spare_memory import spare_memory
from worker.calibration.stopwatch import BUDGET_S, Interrupted, Stopwatch
from worker.calibration.trial import Trial
from worker.calibration.workloads import Workload, encoder_workload, model_workload
from worker.chunk.context import WorkerContext
from worker.inference.lanes import ServedArtefact

log = logging.getLogger(__name__)

LOOK_S = 1.0
QUIET_LOOKS = 3  # in a row: what has just begun to be idle may be between two chunks
IDLE_SHARE = 0.8  # of the cores that measuring would use
SPARE = 1 << 30  # bytes: more than twice what it takes


def calibrator_of(context: WorkerContext) -> Calibrator:
    """The one of a worker, which is idle while it holds no chunk and nothing is in a model."""

    def idle() -> bool:
        return not context.runs and context.in_flight.idle and not context.stopping.is_set()

    return Calibrator(context.settings, context.models.measurable, idle)


class Calibrator:
    """Measures each model that is warm, runs best in one setup or another, and of which nothing is kept.

    It begins when the worker and the machine have been idle for some seconds, stops between two batches as soon as they
    are not, and gives up for good when it has spent its seconds. None of that is an error.

    It takes some 400 MB more for that moment, and does not begin where they are not to spare.

    Args:
        settings: of the worker.
        measurable: those models, what they read before them.
        idle: whether the worker has nothing to do.
        processors: makes what tells what else the machine does.
        memory: bytes that may still be taken; None where nobody knows.
        budget_s: seconds that it measures in all.
        look_s: seconds between two looks at worker and machine.
    """

    def __init__(
        self,
        settings: Settings,
        measurable: Callable[[], list[ServedArtefact]],
        idle: Callable[[], bool],
        *,
        processors: Callable[[], Processors] = Processors,
        memory: Callable[[], int | None] = spare_memory,
        budget_s: float = BUDGET_S,
        look_s: float = LOOK_S,
    ) -> None:
        self._settings = settings
        self._measurable = measurable
        self._worker_idle = idle
        self._processors = processors
        self._memory = memory
        self._look_s = look_s
        self._room = CalibrationRoom(settings.data_dir)
        self._stop = threading.Event()
        self._stopwatch = Stopwatch(lambda: idle() and not self._stop.is_set(), budget_s)
        self._trials: dict[str, Trial] = {}
        self._done: set[str] = set()
        self._thread = threading.Thread(target=self._serve, name="calibration", daemon=True)

    def start(self) -> None:
        """Begin to look out for idle moments."""
        self._thread.start()

    def close(self) -> None:
        """Stop; a batch that is being measured is waited for."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=10)

    def _serve(self) -> None:
        try:
            while self._wait_until_idle():
                if self._calibrate_all():
                    return
        except OSError as error:
            log.info("nothing is measured on this machine, for it could not be kept: %s", error)
        except Exception:
            log.exception("measuring failed; everything runs as it did")

    def _wait_until_idle(self) -> bool:
        """Wait until worker and machine have been idle for a while; False when the worker stops."""
        processors, quiet = self._processors(), 0
        while quiet < QUIET_LOOKS:
            if self._stop.wait(self._look_s):
                return False
            free = processors.idle()
            machine = free is None or free >= IDLE_SHARE * most_streams(this_processor())
            quiet = quiet + 1 if machine and self._worker_idle() and self._has_memory() else 0
        return True

    def _has_memory(self) -> bool:
        spare = self._memory()
        return spare is None or spare >= SPARE

    def _calibrate_all(self) -> bool:
        """Measure what is left to be measured; False if that was interrupted, or somebody else is at it."""
        for served in self._measurable():
            key = calibration_key(served.loaded.manifest, self._settings, this_processor())
            if key in self._done or key in self._room.read_or_nothing()[0].found:
                continue
            with self._room.locked() as mine:
                if not mine or not self._calibrate(served, key):
                    return False
            self._done.add(key)
        return True

    def _calibrate(self, served: ServedArtefact, key: str) -> bool:
        """Measure one model and keep what is found; whether nothing is left to be done about it."""
        manifest = served.loaded.manifest
        kept, _ = self._room.read_or_nothing()
        if key in kept.found:
            return True
        if kept.begun.get(key, 0) >= TRIES:
            log.warning("it is not measured again, workers ended while they did", extra={"model": manifest.id})
            return True
        self._room.write(kept.begin(key))
        found, rates = None, dict[str, float](kept.partial.get(key, {}).items())
        try:
            found = self._measure(served, rates)
        except Interrupted:
            return False
        except OutOfTime:
            log.info("measuring is given up: it took too long, or nothing runs", extra={"model": manifest.id})
        finally:  # however it ends: only a process that ends meanwhile leaves behind that it began
            self._room.write(kept.end(key, found) if found else kept.go_on_from(key, rates))
        if found:
            told = found.model_dump(exclude={"processor", "measured_at"})
            log.info("measured how a model runs best; it is run so from the next start on", extra=told)
        return True

    def _workload(self, served: ServedArtefact) -> Workload:
        manifest = served.loaded.manifest
        if served.encoder:
            return encoder_workload(served.folder, manifest)
        warm = {one.loaded.manifest.id: one.loaded for one in self._measurable()}
        return model_workload(served.folder, manifest, self._settings, warm.__getitem__)

    def _measure(self, served: ServedArtefact, rates: dict[str, float]) -> Found:
        """What is found of a model; to `rates`, what is known of its variants, comes what is measured on the way."""
        manifest, processor = served.loaded.manifest, this_processor()
        if manifest.id not in self._trials:
            self._trials[manifest.id] = Trial(manifest.id, self._workload(served), self._stopwatch, self._processors())
        trial = self._trials[manifest.id]
        variants = variants_to_try(manifest, self._settings.precision, processor.features)
        own = replace(served.runs.setup, batch_size=self._settings.batch_size, streams=served.loaded.streams)
        try:
            with self._stopwatch.running():
                setup, rates = search(own, variants, most_streams(processor), trial.rate, rates)
        finally:
            trial.close()
        return Found(
            model=manifest.id,
            processor=ascii(processor.model)[1:-1][:200],
            variant=setup.variant,  # type: ignore[arg-type]
            batch_size=setup.batch_size,
            streams=setup.streams,
            rates=rates,  # type: ignore[arg-type]
            seconds=round(self._stopwatch.spent, 2),
            measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        )
