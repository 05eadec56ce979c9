"""The scheduler: regular chores and webhooks. `python -m scheduler.main`

Several may run: each chore is safe to run twice at once, and each webhook is claimed in the database first. The stores
of uploads and thumbnails are needed for clearing away alone.
"""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from core.broker import Doorbell
from core.heartbeat import Heartbeat
from core.job_channel import JobChangePublisher
from core.logs import configure_logging
from core.metrics_server import serve_metrics
from core.outbound.http.client import HttpClient
from core.settings import Settings
from core.startup import starting_settings
from core.storage.thumbnail_store import open_thumbnail_store
from core.storage.uploads import open_upload_store
from db.engine import Database
from scheduler.chores import Chores
from scheduler.library_chores import LibraryChores
from scheduler.metrics import SchedulerMetrics
from scheduler.thumbnail_chores import ThumbnailChores
from scheduler.upload_chores import UploadChores
from scheduler.visitor_chores import VisitorChores
from scheduler.webhooks import WebhookSender

log = logging.getLogger(__name__)

TICK_S = 0.25


@dataclass(slots=True)
class Chore:
    """Something that is done at intervals; a failure is logged, and it is done again at its next turn."""

    name: str
    every_s: float
    do: Callable[[], None]
    due: float = 0.0

    def run_if_due(self) -> None:
        if monotonic() < self.due:
            return
        self.due = monotonic() + self.every_s
        try:
            self.do()
        except Exception:
            log.exception("a chore failed; it is tried again", extra={"chore": self.name})
            self.due = monotonic() + max(self.every_s, 2.0)


def run(settings: Settings, stop: threading.Event) -> None:
    """Do the chores until asked to stop."""
    database = Database(settings.sql_url, job_news=JobChangePublisher(settings))
    doorbell = Doorbell(settings)
    http = HttpClient(settings)
    metrics = SchedulerMetrics()
    sender = WebhookSender(database, http, settings, metrics)
    upkeep = Chores(database, doorbell, settings, metrics)
    serve_metrics(settings)
    webhooks = [Chore("webhooks", 0.25, sender.send_due)]
    chores = [
        Chore("reap", 1.0, upkeep.reap),
        Chore("ring", 1.0, upkeep.ring),
        Chore("cancelled", 0.5, upkeep.write_cancelled),
        Chore("expire", 15.0, upkeep.expire),
        Chore("purge", 1.0, upkeep.purge),
    ]
    files = UploadChores(database, open_upload_store(settings), settings)
    pictures = ThumbnailChores(database, open_thumbnail_store(settings), settings)
    stored = [
        Chore("expire uploads", 60.0, files.expire),
        Chore("upload bytes", 10.0, files.remove_bytes),
        Chore("expire thumbnails", 60.0, pictures.expire),
        Chore("thumbnail bytes", 10.0, pictures.remove_bytes),
        Chore("stray thumbnails", 120.0, pictures.note_strays),
        Chore("visits", 60.0, VisitorChores(database).clear),
    ]
    photos = LibraryChores(database, doorbell, settings)
    libraries = [
        Chore("due libraries", 1.0, photos.start_due),
        Chore("library runs", 0.25, photos.advance),
        Chore("ended runs", 2.0, photos.clear_runs),
        Chore("clear libraries", 10.0, photos.clear),
        Chore("clear ledger", 60.0, photos.clear_ledger),
    ]
    log.info("scheduler is running")
    # On threads of their own: clearing away a big job must not delay webhooks, nor a slow bucket anything else.
    others = [threading.Thread(target=_repeat, args=(some, stop)) for some in (webhooks, stored, libraries)]
    for thread in others:
        thread.start()
    _repeat(chores, stop, Heartbeat(settings.heartbeat_file))
    for thread in others:
        thread.join()
    http.close()
    doorbell.close()
    database.close()


def _repeat(chores: list[Chore], stop: threading.Event, heartbeat: Heartbeat | None = None) -> None:
    while not stop.wait(TICK_S):
        for chore in chores:
            if heartbeat:
                heartbeat.beat()
            if not stop.is_set():
                chore.run_if_due()


def main() -> None:
    settings = starting_settings("database")
    configure_logging(settings, "scheduler")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    run(settings, stop)


if __name__ == "__main__":
    main()
