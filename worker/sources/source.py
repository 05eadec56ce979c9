"""What a source is: something that turns a reference into bytes, without holding up whoever asks."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from core.errors import ItemError
from core.outbound.http.client import HttpClient
from core.settings import Settings

log = logging.getLogger(__name__)
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


class Source(Protocol):
    """One kind of input. A class that has this is made with a SourceContext."""

    def fetch(self, ref: str, tenant_id: str) -> Future[bytes]:
        """The bytes that `ref` names.

        Never raises: every failure is an ItemError in the future, whose callbacks may run in the source's own
        thread and must be quick.
        """

    def close(self) -> None:
        """Let go of threads and connections; futures not yet done are cancelled."""


class PooledSource:
    """Base of sources whose reading blocks: a few threads, and `load` to be filled in."""

    def __init__(self, name: str, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix=name)

    def load(self, ref: str, tenant_id: str) -> bytes:
        """Read `ref`, in one of the source's threads; may raise ItemError."""
        raise NotImplementedError

    def fetch(self, ref: str, tenant_id: str) -> Future[bytes]:
        """See Source."""
        try:
            return self._pool.submit(self._guarded, ref, tenant_id)
        except RuntimeError:  # closed
            future: Future[bytes] = Future()
            future.set_exception(ItemError("fetch_failed", "the worker is shutting down", permanent=False))
            return future

    def _guarded(self, ref: str, tenant_id: str) -> bytes:
        try:
            return self.load(ref, tenant_id)
        except ItemError:
            raise
        except Exception as error:
            log.exception("a source failed in a way it does not know")
            message = f"the input could not be read: {type(error).__name__}"
            raise ItemError("fetch_failed", message, permanent=False) from error

    def close(self) -> None:
        """See Source."""
        self._pool.shutdown(wait=True, cancel_futures=True)
