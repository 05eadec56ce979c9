"""Thumbnails of the photos that a worker decodes anyway: made by the thread that decoded, stored by others.

A photo never fails for want of its thumbnail, and nobody waits long for one: a store that fails is left alone for a
while, and one that is slow gets no more than it can hold.
"""

from __future__ import annotations

import logging
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from time import monotonic

from core.images.frame import Frame
from core.images.thumbnail import encode_thumbnail
from core.settings import Settings
from core.states import Priority
from core.storage.blobs import Blobs
from core.storage.thumbnail_store import STORE_FAILURES
from db.claims import Claim
from worker.metrics import Metrics

log = logging.getLogger(__name__)

THREADS = 4
WAITING = 256  # to be stored, some 10 KB each; past it photos go without
REST_S = 15.0  # for a store that failed


def wants_thumbnails(settings: Settings, claim: Claim) -> bool:
    """Whether the photos of a chunk shall have thumbnails."""
    if settings.thumbnails != "interactive":
        return settings.thumbnails == "all"
    return claim.priority == Priority.INTERACTIVE or claim.library_run is not None


class ThumbnailMaker:
    """Makes and stores thumbnails. Safe to share between threads."""

    def __init__(self, store: Blobs, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="thumbnails")
        self._lock = threading.Lock()
        self._waiting = 0
        self._rests_until = 0.0

    def make(self, frame: Frame, sha256: str) -> Future[bool] | None:
        """Make the thumbnail of a photo, now; whether it was stored is told by the future, which never fails. None: not
        even tried. Never raises."""
        if self._waiting >= WAITING or monotonic() < self._rests_until:
            self._count("skipped")
            return None
        try:
            with self._metrics.timed("thumbnail"):
                data = encode_thumbnail(frame.thumbnail())
            with self._lock:
                self._waiting += 1
            return self._pool.submit(self._put, sha256, data)
        except Exception:  # also: the worker is shutting down
            log.exception("a photo's thumbnail could not be made")
            self._count("failed")
            return None

    def put(self, sha256: str, data: bytes) -> None:
        """Store a thumbnail, now; raises STORE_FAILURES."""
        self._store.put(sha256, data)
        self._count("written")

    def close(self) -> None:
        """Make no more; what is being stored is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _put(self, sha256: str, data: bytes) -> bool:
        try:
            self.put(sha256, data)
        except STORE_FAILURES as error:
            self._rests_until = monotonic() + REST_S
            log.error("thumbnails cannot be stored; photos go without for %d s: %s", REST_S, error)
            self._count("failed")
            return False
        except Exception:
            log.exception("a thumbnail could not be stored")
            self._count("failed")
            return False
        finally:
            with self._lock:
                self._waiting -= 1
        return True

    def _count(self, outcome: str) -> None:
        self._metrics.thumbnails.labels(outcome).inc()
