"""One thread that watches all jobs that anybody waits for: a query for many, and no query for each."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from time import monotonic

from core.broker import ChannelListener
from core.job_channel import JOB_CHANNEL, SEPARATOR
from core.settings import Settings
from db.engine import Database, Unavailable
from db.job_watch import live_keys, read_jobs, seen_versions
from db.tables import Job

# What changes while the hub rests is one look. It rests in proportion to the look before, so that one photo's end is
# told within milliseconds, and thousands who wait cost the database no more than a fifth of a connection's time.
LEAST_REST_S, MOST_REST_S, REST = 0.002, 0.05, 4
FIRST_PAUSE_S, LAST_PAUSE_S = 0.25, 1.0  # between looks that nobody rang for, as long as nothing changes
KEYS_S = 2.0  # between looks at the keys of those who wait
log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Watch:
    """Somebody who waits for a job to change.

    Attributes:
        version: the newest one that they know.
        tell: called with the job after each change, once with None if it is gone or the key is revoked; on the hub's
            thread, so it must be quick.
        key_sha256: of the key that they came with, if they are to be sent away when it is revoked.
    """

    job_id: str
    version: int
    tell: Callable[[Job | None], None]
    key_sha256: str | None = None


class JobHub:
    """Tells watches of changes. Nothing runs before the first one. Safe to share between threads."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._news = threading.Condition()
        self._watches: dict[str, set[Watch]] = {}
        self._rung: set[str] = set()
        self._all_at = self._keys_at = 0.0
        self._pause_s = FIRST_PAUSE_S
        self._closing = False
        self._thread: threading.Thread | None = None
        self._listener: ChannelListener | None = None

    def watch(self, watch: Watch) -> None:
        """Begin to tell; also of a change between `watch.version` and now."""
        with self._news:
            self._watches.setdefault(watch.job_id, set()).add(watch)
            self._rung.add(watch.job_id)
            self._pause_s = FIRST_PAUSE_S
            if self._thread is None and not self._closing:
                self._listener = ChannelListener(self._settings, JOB_CHANNEL, self._heard)
                self._thread = threading.Thread(target=self._keep_looking, name="job hub", daemon=True)
                self._thread.start()
            self._news.notify()

    def unwatch(self, watch: Watch) -> None:
        """Tell no more."""
        with self._news:
            mine = self._watches.get(watch.job_id, set())
            mine.discard(watch)
            if not mine:
                self._watches.pop(watch.job_id, None)

    def close(self) -> None:
        with self._news:
            self._closing = True
            self._news.notify()
        for part in (self._listener, self._thread):
            if isinstance(part, ChannelListener):
                part.close()
            elif part is not None:
                part.join(timeout=30)  # a look that is under way holds a connection

    def _heard(self, message: bytes) -> None:
        """A message of the channel: ids of jobs; empty when some may have been missed."""
        ids = message.decode("ascii", "replace").split(SEPARATOR)
        with self._news:
            known = self._watches.keys() & set(ids) if message else set(self._watches)
            if known:
                self._rung |= known
                self._news.notify()

    def _keep_looking(self) -> None:
        while True:
            with self._news:
                while not self._closing and not self._due():
                    self._news.wait(max(0.0, self._all_at - monotonic()) if self._watches else None)
                if self._closing:
                    return
                ids = self._begin_look()
            began = monotonic()
            try:
                self._look(ids)
                self._look_at_keys()
            except Unavailable as error:  # those who wait do not mind: the next look makes up for it
                log.warning("cannot look for changed jobs: %s", str(error).splitlines()[0])
            except Exception:
                log.exception("a look for changed jobs failed")
            rest_s = min(MOST_REST_S, max(LEAST_REST_S, REST * (monotonic() - began)))
            with self._news:
                self._news.wait_for(lambda: self._closing, rest_s)

    def _due(self) -> bool:
        return bool(self._watches) and (bool(self._rung) or monotonic() >= self._all_at)

    def _begin_look(self) -> list[str]:
        """The jobs to look at now: those that were rung for, and from time to time all."""
        ids, self._rung = self._rung & self._watches.keys(), set()
        if monotonic() >= self._all_at:
            ids = set(self._watches)
            self._pause_s = min(LAST_PAUSE_S, self._pause_s * 1.3)
            self._all_at = monotonic() + self._pause_s
        return sorted(ids)

    def _look(self, ids: list[str]) -> None:
        with self._database.read() as session:
            versions = seen_versions(session, ids)
            behind = [watch for watch in self._of(ids) if watch.version != versions.get(watch.job_id)]
            jobs = read_jobs(session, sorted({watch.job_id for watch in behind} & versions.keys()))
        if behind:
            self._pause_s = FIRST_PAUSE_S
        for watch in behind:
            job = jobs.get(watch.job_id)
            if job is None:
                self.unwatch(watch)
            else:
                watch.version = job.version
            self._tell(watch, job)

    def _look_at_keys(self) -> None:
        if monotonic() < self._keys_at:
            return
        self._keys_at = monotonic() + KEYS_S
        with self._news:
            keyed = [watch for some in self._watches.values() for watch in some if watch.key_sha256]
        shown = {watch.key_sha256 for watch in keyed if watch.key_sha256}
        if not shown:
            return
        with self._database.read() as session:
            live = live_keys(session, sorted(shown))
        for watch in keyed:
            if watch.key_sha256 not in live:
                self.unwatch(watch)
                self._tell(watch, None)

    def _of(self, ids: Iterable[str]) -> list[Watch]:
        with self._news:
            return [watch for job_id in ids for watch in self._watches.get(job_id, ())]

    def _tell(self, watch: Watch, job: Job | None) -> None:
        try:
            watch.tell(job)
        except Exception:  # also a loop that is closed: its process is about to end
            log.exception("somebody who waits could not be told")
