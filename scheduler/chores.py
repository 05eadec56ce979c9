"""The chores that keep every accepted job moving, whatever died or got lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic, sleep

from redis.exceptions import RedisError

from core.broker import RING_AT_MOST, Doorbell
from core.settings import Settings
from core.tasks import QUEUES
from db import stats, upkeep
from db.engine import Database
from db.reap import reap_leases
from scheduler.metrics import SchedulerMetrics

log = logging.getLogger(__name__)

HOUR_S = 3600.0
TURN_S = 0.5  # of one chore, so that the others get theirs
PAUSE_S = 0.02


class Chores:
    """One method a chore; each is safe to run at any time and by several at once."""

    def __init__(self, database: Database, doorbell: Doorbell, settings: Settings, metrics: SchedulerMetrics) -> None:
        self._database = database
        self._doorbell = doorbell
        self._settings = settings
        self._metrics = metrics
        self._small_due = monotonic()

    def reap(self) -> None:
        """Take chunks back from workers that fell silent."""
        with self._database.read() as session:
            if not stats.lapsed_leases(session):
                return
        with self._database.write() as session:
            chunks = reap_leases(session, max_attempts=self._settings.max_attempts)
        if chunks:
            self._metrics.reaped.inc(len(chunks))
            log.warning("took chunks back from silent workers", extra={"chunks": len(chunks)})

    def ring(self) -> None:
        """Make up for lost messages: one for each chunk that waits."""
        for queue in QUEUES:
            with self._database.read() as session:
                waiting = stats.pending_chunks(session, queue)
            if not waiting:
                continue
            try:
                missing = waiting - self._doorbell.length(queue)
            except RedisError as error:
                log.warning("the broker does not answer: %s", error)
                return
            while missing > 0 and self._doorbell.ring(queue, missing):
                missing -= RING_AT_MOST

    def write_cancelled(self) -> None:
        """Give cancelled items their rows."""

        def slice_() -> object:
            with self._database.read() as session:
                if not stats.cancelled_chunks(session):
                    return None
            with self._database.write() as session:
                return upkeep.write_cancelled(session)

        self._for_a_while(slice_)

    def expire(self) -> None:
        """End jobs whose time is up."""

        def slice_() -> object:
            with self._database.write() as session:
                job = upkeep.expire_one(session)
            if job is not None:
                log.warning("job expired", extra={"job": job})
            return job

        self._for_a_while(slice_)

    def purge(self) -> None:
        """Remove what was deleted, or is older than the retention."""

        def slice_() -> object:
            with self._database.write() as session:
                return upkeep.purge(session) or upkeep.retire_one(session, retention_days=self._settings.retention_days)

        self._for_a_while(slice_)
        if monotonic() >= self._small_due:
            self._small_due = monotonic() + HOUR_S
            with self._database.write() as session:
                upkeep.purge_small(session)
            self._for_a_while(self._purge_deliveries)

    def _purge_deliveries(self) -> object:
        with self._database.write() as session:
            return upkeep.purge_deliveries(session, retention_days=self._settings.retention_days)

    def _for_a_while(self, slice_: Callable[[], object]) -> None:
        """Do slices until nothing is left or the turn is over; between them others get at the database."""
        over = monotonic() + TURN_S
        while slice_() and monotonic() < over:
            sleep(PAUSE_S)
