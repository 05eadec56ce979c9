"""What `celery -A worker.process.celery_app worker` runs. Threads, no forks: models are loaded once in the process."""

from __future__ import annotations

import logging
from typing import Any

from celery import signals

from core.broker import make_celery
from core.errors import ArtefactError
from core.garbage import keep_for_good
from core.logs import configure_logging
from core.metrics_server import serve_metrics
from core.settings_checks import SettingsError
from core.startup import give_up, starting_settings
from core.surroundings import check_surroundings
from worker.calibration.calibrator import Calibrator, calibrator_of
from worker.chunk.claimers import Claimers
from worker.chunk.context import WorkerContext
from worker.libraries.stages import LibraryStages
from worker.process.lifetime import close_worker, open_worker
from worker.process.reload import Reloader
from worker.process.tasks import register_tasks
from worker.process.watchdog import Watchdog

log = logging.getLogger(__name__)
settings = starting_settings("database", "runtime")
app = make_celery(settings)
_open: list[WorkerContext] = []
_watchdogs: list[Watchdog] = []
_claimers: list[Claimers] = []
_libraries: list[LibraryStages] = []
_calibrators: list[Calibrator] = []
_reloader = Reloader()


@signals.setup_logging.connect
def _logging(**_: Any) -> None:
    configure_logging(settings, "worker")


@signals.worker_init.connect
def _start(**_: Any) -> None:
    # Before the first message is taken; never in worker_process_init, which is killed after four seconds.
    configure_logging(settings, "worker")  # Celery sets logging up only after this
    _reloader.listen()  # while the models are loaded, SIGHUP would end the process
    try:
        check_surroundings(settings, ["models"])
        context = open_worker(settings)
    except (SettingsError, ArtefactError) as error:
        log.critical("the worker cannot start", extra={"code": getattr(error, "code", "models_unusable")})
        # What only loading a model tells is a fault of the installation as much as of the setting: no code of its own.
        give_up(str(error) if isinstance(error, SettingsError) else _of_model(error), 1)
    except Exception as error:
        # Celery would log nothing, go on without tasks and throw every message away.
        log.critical("the worker cannot start", exc_info=error)
        raise SystemExit(1) from error
    _open.append(context)
    register_tasks(app, context)
    _watchdogs.append(Watchdog(context))
    _reloader.start(context)
    serve_metrics(settings)


def _of_model(error: ArtefactError) -> str:
    setting = "TAGLINE_RUNTIME" if error.code == "runtime_missing" else "TAGLINE_MODELS_DIR"
    return f"{setting}: {' '.join(str(error).split())}; write another, or install what is missing"


@signals.worker_ready.connect
def _ready(**_: Any) -> None:
    _reloader.listen()  # again: meanwhile Celery has made SIGHUP restart the whole process
    # Not before Celery answers SIGTERM: what they claim must be given back in order.
    _claimers.extend(Claimers(context, settings) for context in _open)
    _libraries.extend(LibraryStages(context, settings) for context in _open)
    if settings.calibrate:
        for context in _open:
            _calibrators.append(calibrator_of(context))
            _calibrators[-1].start()
    keep_for_good()


@signals.worker_shutting_down.connect
def _drain(**_: Any) -> None:
    for context in _open:
        context.stopping.set()


@signals.worker_shutdown.connect
def _stop(**_: Any) -> None:
    _reloader.stop()
    for claimers in _claimers:
        claimers.close()
    for stages in _libraries:
        stages.close()
    for calibrator in _calibrators:
        calibrator.close()
    for watchdog in _watchdogs:
        watchdog.close()
    while _open:
        close_worker(_open.pop())
