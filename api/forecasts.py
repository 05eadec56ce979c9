"""How long jobs will take, for everybody who looks at one: what else is to be done is read for all of them together."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from time import monotonic, time

from db.clock import current_ms
from db.engine import Database, NoConnection, Session, Unavailable
from db.open_work import OpenWork, open_work
from db.tables import Job
from db.throughput import seconds_per_item
from jobs.time_left import seconds_left

LEAST_AGE_S, REST = 1.0, 20  # it is read again after so long, or after so many times what reading took
PACES_AGE_S = 10.0  # workers tell them as often
CLOCK_AGE_S = 60.0
TOO_OLD_S = 30.0  # while somebody reads anew, the others go by what is older than it should be by no more than this
SecondsLeft = Callable[[Job], float | None]
log = logging.getLogger(__name__)


class Forecasts:
    """Keeps what is to be done for a moment. Safe to share between threads.

    One of them reads at a time, and nobody waits for that: the others go by what was read before. Not to be asked
    within a transaction, whose thread has a connection already: then use `as_of_now`.

    Args:
        chunk_of: items of a chunk, by queue; see `Settings.chunk_of`.
    """

    def __init__(self, database: Database, chunk_of: Callable[[str], int]) -> None:
        self._database = database
        self._chunk_of = chunk_of
        self._reading = threading.Lock()
        self._work: OpenWork | None = None
        self._item_s: Mapping[str, float] = {}
        self._work_until = self._clock_until = self._paces_until = 0.0
        self._ahead_ms = 0  # by so much the database's clock is ahead of ours

    def seconds_left(self, job: Job) -> float | None:
        """Seconds until a job has finished; None if it has, or if that is not known."""
        if monotonic() >= self._clock_until:
            self._read(self._read_clock)
        return seconds_left(job, self._now_ms(), self._work_now)

    def as_of_now(self) -> SecondsLeft:
        """The same, from what is read now: to be asked within a transaction that begins later."""
        work = self._work_now()
        return lambda job: seconds_left(job, self._now_ms(), lambda: work)

    def _now_ms(self) -> int:
        """The time by the database's clock."""
        return round(time() * 1000) + self._ahead_ms

    def _work_now(self) -> OpenWork | None:
        if monotonic() >= self._work_until:
            self._read(self._read_work)
        return self._work if monotonic() < self._work_until + TOO_OLD_S else None

    def _read(self, what: Callable[[Session], None]) -> None:
        if not self._reading.acquire(blocking=False):
            return
        try:
            with self._database.read() as session:
                what(session)
        except (
            Unavailable,
            NoConnection,
        ) as error:  # whoever only wants to know a job's state is answered nevertheless
            log.warning("cannot read what is to be done: %s", str(error).splitlines()[0])
            self._work = None
            self._work_until = self._clock_until = monotonic() + LEAST_AGE_S
        finally:
            self._reading.release()

    def _read_work(self, session: Session) -> None:
        began = monotonic()
        self._read_clock(session)
        if began >= self._paces_until:
            self._item_s, self._paces_until = seconds_per_item(session), began + PACES_AGE_S
        self._work = open_work(session, self._item_s, self._chunk_of)
        ended = monotonic()
        self._work_until = ended + max(LEAST_AGE_S, REST * (ended - began))

    def _read_clock(self, session: Session) -> None:
        self._ahead_ms = current_ms(session) - round(time() * 1000)
        self._clock_until = monotonic() + CLOCK_AGE_S
