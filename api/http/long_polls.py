"""Waiting for a job to change: how many may wait at a time, and how they look."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from api.http.disconnect import Disconnect
from core.errors import RequestError
from db.engine import Database
from db.jobs import job_version

FIRST_PAUSE_S, LAST_PAUSE_S = 0.25, 1.0


class LongPollLimit:
    """A limited number of slots, since whoever waits holds a thread."""

    def __init__(self, slots: int) -> None:
        self._free = threading.BoundedSemaphore(slots)
        self._slots = slots

    def enter(self) -> LongPollSlot:
        """Take a slot, to be left with `leave`.

        Raises:
            RequestError: `too_many_waiting`.
        """
        if not self._free.acquire(blocking=False):
            message = f"{self._slots} requests are waiting already; poll without Prefer: wait, or come back later."
            raise RequestError("too_many_waiting", message)
        return LongPollSlot(self._free)


class LongPollSlot:
    """A long poll under way."""

    def __init__(self, free: threading.BoundedSemaphore) -> None:
        self._free = free
        self._taken = True

    def leave(self) -> None:
        """Give the place back; the second time does nothing."""
        if self._taken:
            self._taken = False
            self._free.release()

    def __enter__(self) -> LongPollSlot:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()


def versions(database: Database, tenant_id: str, job_id: str, gone: Disconnect, seconds: float) -> Iterator[int]:
    """The job's version at each look, until the client is gone or the time is up.

    Raises:
        NotFound: `job_not_found`, as soon as the job is deleted.
    """
    end = time.monotonic() + seconds
    pause = FIRST_PAUSE_S
    seen = None
    while True:
        with database.read() as session:
            version = job_version(session, tenant_id, job_id)
        pause = FIRST_PAUSE_S if version != seen else min(LAST_PAUSE_S, pause * 1.3)
        seen = version
        yield version
        left = end - time.monotonic()
        if left <= 0 or gone.wait(min(pause, left)):
            return
