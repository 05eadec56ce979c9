"""Telling at once that a job has changed, over pub/sub, to whoever waits for it.

The rows are the truth. What is said here may be lost, and then costs those who wait a second; the broker may be down,
and whoever changes jobs must neither fail nor be slowed by that.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from redis import Redis
from redis.exceptions import RedisError

from core.broker import KEY_PREFIX
from core.settings import Settings

JOB_CHANNEL = KEY_PREFIX + "jobs-changed"
SEPARATOR = ","
_PENDING_MOST = 10_000  # beyond it nobody is told: the broker has been away for long
_IN_A_MESSAGE = 200
_CLOSE_S = 1.0
log = logging.getLogger(__name__)


class JobChangePublisher:
    """Publishes the ids of jobs that have changed, from a thread of its own. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._redis = Redis.from_url(settings.redis_url, socket_connect_timeout=3, socket_timeout=5)
        self._pending: set[str] = set()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closing = False

    def publish(self, job_ids: Iterable[str]) -> None:
        """Tell of these jobs soon; returns at once, and never raises."""
        with self._changed:
            if len(self._pending) < _PENDING_MOST:
                self._pending.update(job_ids)
            if self._thread is None and not self._closing:
                self._thread = threading.Thread(target=self._keep_publishing, name="job-changes", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Tell what is still to be told, if that is quick."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)
        self._redis.close()

    def _keep_publishing(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._pending or self._closing)
                ids, self._pending = sorted(self._pending), set()
            if not ids:
                return
            try:
                for start in range(0, len(ids), _IN_A_MESSAGE):
                    self._redis.publish(JOB_CHANNEL, SEPARATOR.join(ids[start : start + _IN_A_MESSAGE]))
            except (RedisError, OSError, ValueError) as error:  # ValueError: closed meanwhile
                log.debug("could not tell of changed jobs: %s", error)
