"""What a source is: it turns a reference into bytes, without blocking its caller."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Protocol, TypeVar

from core.errors import ItemError
from core.inputs import Validators
from core.memory_budget import Reservation
from core.outbound.http.client import HttpClient
from core.settings import Settings
from core.shortage import is_shortage, worker_resources
from core.states import Priority

log = logging.getLogger(__name__)
_KEPT = 4  # one thread more for interactive inputs for so many of the others
T = TypeVar("T")
U = TypeVar("U")
ResolveUpload = Callable[[str, str], str | None]


@dataclass(frozen=True, slots=True)
class SourceContext:
    """What sources are made from.

    Attributes:
        http: the one client for everything outbound.
        resolve_upload: (tenant id, upload id) to the SHA-256 of its content, or None if the tenant has no such
            upload. Called from the source's threads.
    """

    settings: Settings
    http: HttpClient
    resolve_upload: ResolveUpload


@dataclass(frozen=True, slots=True)
class Fetched:
    """An input that was asked for with what is known of it.

    Attributes:
        data: its bytes; None: its server says that they are the ones known.
        validators: what the server says of its bytes; None where it says nothing.
    """

    data: bytes | None
    validators: Validators | None = None


class Source(Protocol):
    """One kind of input. A class that has this is made with a SourceContext."""

    def fetch(
        self, ref: str, tenant_id: str, priority: Priority = Priority.BULK, memory: Reservation | None = None
    ) -> Future[bytes]:
        """The bytes that `ref` names, those of interactive priority before others.

        `memory` counts them from the first that comes; the caller releases it, whatever becomes of the future. Never
        raises: every failure is an ItemError in the future, whose callbacks may run in the source's own thread and
        must be quick.
        """

    def fetch_changed(
        self,
        ref: str,
        tenant_id: str,
        known: Validators | None,
        priority: Priority = Priority.BULK,
        memory: Reservation | None = None,
    ) -> Future[Fetched]:
        """As `fetch`, unless the bytes are the ones of which `known` was said, as far as the source can tell."""

    def close(self) -> None:
        """Let go of threads and connections; futures not yet done are cancelled."""


class PooledSource:
    """Base of sources whose reading blocks: a few threads, and `load` to be filled in.

    There must be memory for the largest input before a thread begins to read: it could not wait later. While all the
    threads are busy, interactive inputs have a few more to themselves.
    """

    def __init__(self, name: str, threads: int, max_bytes: int = 32 * 1024 * 1024) -> None:
        self._largest = max_bytes
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._kept = ThreadPoolExecutor(max(1, threads // _KEPT), thread_name_prefix=f"{name}-interactive")
        self._lock = threading.Lock()
        self._busy = 0  # what is read or waits in the first pool
        self._closed = False

    def load(self, ref: str, tenant_id: str) -> bytes:
        """Read `ref`, in one of the source's threads; may raise ItemError."""
        raise NotImplementedError

    def fetch(
        self, ref: str, tenant_id: str, priority: Priority = Priority.BULK, memory: Reservation | None = None
    ) -> Future[bytes]:
        """See Source."""
        if memory is None:
            return self._begin(ref, tenant_id, priority)
        found: Future[bytes] = Future()

        def begin() -> None:
            if found.set_running_or_notify_cancel():
                self._begin(ref, tenant_id, priority).add_done_callback(partial(_counted, found, memory))

        if memory.grow(self._largest, begin):
            begin()
        return found

    def _begin(self, ref: str, tenant_id: str, priority: Priority) -> Future[bytes]:
        with self._lock:
            aside = priority is Priority.INTERACTIVE and self._busy >= self._threads
            self._busy += not aside
        try:
            found = (self._kept if aside else self._pool).submit(self._guarded, ref, tenant_id)
        except RuntimeError:  # closed, or no thread is to be had
            found = Future()
            found.set_exception(_closing() if self._closed else worker_resources())
        if not aside:
            found.add_done_callback(self._done)
        return found

    def fetch_changed(
        self,
        ref: str,
        tenant_id: str,
        known: Validators | None,
        priority: Priority = Priority.BULK,
        memory: Reservation | None = None,
    ) -> Future[Fetched]:
        """See Source; what the listing of such a source tells of its photos is all there is to know."""
        return converted(self.fetch(ref, tenant_id, priority, memory), Fetched)

    def _done(self, found: Future[bytes]) -> None:
        with self._lock:
            self._busy -= 1

    def _guarded(self, ref: str, tenant_id: str) -> bytes:
        try:
            return self.load(ref, tenant_id)
        except Exception as error:
            if is_shortage(error):
                log.error("the worker lacks file descriptors, ports, memory or threads: %s", error)
                raise worker_resources() from error
            if isinstance(error, ItemError):
                raise
            log.exception("a source failed unexpectedly")
            message = f"the input could not be read: {type(error).__name__}"  # its own words may name a path
            raise ItemError("fetch_failed", message, permanent=False) from error

    def close(self) -> None:
        """See Source."""
        self._closed = True
        for pool in (self._pool, self._kept):
            pool.shutdown(wait=True, cancel_futures=True)


def _counted(found: Future[bytes], memory: Reservation, read: Future[bytes]) -> None:
    """Hand over what was read, its true size counted before; then the memory is its taker's to give back."""
    error = CancelledError() if read.cancelled() else read.exception()
    memory.settle(0 if error else len(read.result()))
    if isinstance(error, CancelledError):  # the source was closed
        found.set_exception(_closing())
    elif error is not None:
        found.set_exception(error)
    else:
        found.set_result(read.result())


def _closing() -> ItemError:
    return ItemError("fetch_failed", "the worker is shutting down", permanent=False)


def converted(answer: Future[T], convert: Callable[[T], U]) -> Future[U]:
    """A future of what `convert` makes of an answer; what that raises is its exception, and its cancelling the
    answer's."""
    made: Future[U] = Future()

    def hand_over(done: Future[T]) -> None:
        if not made.set_running_or_notify_cancel():
            return
        try:
            made.set_result(convert(done.result()))
        except CancelledError:
            made.set_exception(ItemError("fetch_failed", "the fetch was cancelled", permanent=False))
        except Exception as error:
            made.set_exception(error)

    answer.add_done_callback(hand_over)
    made.add_done_callback(lambda done: done.cancelled() and answer.cancel())
    return made
