"""The chunks that this worker holds, and its heartbeat, which also renews their leases."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext

from core.settings import Settings
from core.states import Priority
from core.work_kinds import work_kind
from db import workers
from db.claims import Claim, anything_due, claim_chunk, renew_leases
from db.engine import Database, Session
from db.reap import reap_leases
from db.throughput import Pace, add_finished, add_paces
from worker.chunk.work_meter import WorkMeter

log = logging.getLogger(__name__)

BEAT_S = 10.0  # at the latest: a worker not seen for 30 seconds counts as dead


class Leases:
    """Claims chunks and renews what is held, three times within a lease.

    Args:
        worker: its name.
        warm_models: asked at every beat for the models this worker has warm, and their variants; see db.workers.beat.
        finished: asked at every beat for the items that succeeded and that failed since the process began.

    Attributes:
        meter: how long what is held keeps this worker busy; told at every beat.
    """

    def __init__(
        self,
        database: Database,
        settings: Settings,
        worker: str,
        warm_models: Callable[[], list[str]],
        finished: Callable[[], tuple[int, int]] = lambda: (0, 0),
    ) -> None:
        self._database = database
        self.worker = worker
        self._lease_s = settings.lease_s
        self._max_attempts = settings.max_attempts
        self._warm_models = warm_models
        self._finished = finished
        self._told = finished()  # how much of it is in the database: another worker may have counted in this process
        self.meter = WorkMeter()
        self._held: dict[int, int] = {}  # chunk id -> token
        self._lock = threading.Lock()
        # PostgreSQL lets claims go beside each other; SQLite does not.
        self._claiming = threading.Lock() if database.is_sqlite else nullcontext()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="leases", daemon=True)

    def start(self, *, take_back: bool) -> None:
        """Start the heartbeat. With `take_back`, free the chunks of a former worker of this name at once."""
        with self._database.write() as session:
            if take_back:
                freed = reap_leases(session, max_attempts=self._max_attempts, worker=self.worker)
                if freed:
                    log.warning("took back the chunks of this worker's former life", extra={"chunks": len(freed)})
            workers.beat(session, self.worker, self._warm_models())
        self._thread.start()

    def stop(self) -> None:
        """Stop the heartbeat and sign off."""
        self._stop.set()
        self._thread.join(timeout=10)
        with self._database.write() as session:
            self._tell_finished(session, self.meter.counted())
            workers.sign_off(session, self.worker)

    @contextmanager
    def claim(self, queue: str, priorities: Sequence[Priority]) -> Iterator[Claim | None]:
        """A chunk of the queue, held until the block ends; None if nothing waits."""
        claim = self._claim(queue, priorities)
        if claim is None:
            yield None
            return
        with self._lock:
            self._held[claim.chunk_id] = claim.token
        if claim.items[0].kind != "s3_prefix":  # to list is no work of a model's
            self.meter.begin(claim.chunk_id, work_kind(claim), len(claim.items))
        try:
            yield claim
        finally:
            self.meter.end(claim.chunk_id)
            with self._lock:
                if self._held.get(claim.chunk_id) == claim.token:
                    del self._held[claim.chunk_id]

    def _claim(self, queue: str, priorities: Sequence[Priority]) -> Claim | None:
        # One thread at a time: a ring wakes all, and those that come late see that there is nothing left.
        with self._claiming:
            with self._database.read() as session:  # reading costs less than the lock that a claim takes
                if not anything_due(session, queue, priorities):
                    return None
            with self._database.write() as session:
                return claim_chunk(
                    session, queue=queue, worker=self.worker, lease_ms=self._lease_ms, priorities=priorities
                )

    def lost(self, claim: Claim) -> bool:
        """Whether the chunk is known to be no longer ours: it was cancelled, or its lease ran out."""
        with self._lock:
            return self._held.get(claim.chunk_id) != claim.token

    @property
    def _lease_ms(self) -> int:
        return round(self._lease_s * 1000)

    def _keep(self) -> None:
        while not self._stop.wait(min(self._lease_s / 3, BEAT_S)):
            try:
                self.beat()
            except Exception as error:  # no database: the leases run out, and fencing tokens do the rest
                log.error("could not renew the leases: %s", error)

    def beat(self) -> None:
        """Show that the worker lives and what it has warm, and renew what is held; nothing once it has signed off."""
        if self._stop.is_set():
            return
        with self._lock:
            held = list(self._held.items())
        with self._database.write() as session:
            workers.beat(session, self.worker, self._warm_models())
            paces = self.meter.counted()
            told = self._tell_finished(session, paces)
            ours = renew_leases(session, held, lease_ms=self._lease_ms)
        self._told = told
        self.meter.told(paces)
        with self._lock:
            for chunk_id, token in held:
                if chunk_id not in ours and self._held.get(chunk_id) == token:
                    del self._held[chunk_id]

    def _tell_finished(self, session: Session, paces: list[Pace]) -> tuple[int, int]:
        """Write down what has been finished since it was last written down; what that makes in all.

        Nothing counts as told before the commit, so the next beat tells what a failed one could not.
        """
        now = self._finished()
        succeeded, failed = (after - before for after, before in zip(now, self._told, strict=True))
        if succeeded or failed:
            add_finished(session, self.worker, succeeded, failed)
        add_paces(session, self.worker, paces)
        return now
