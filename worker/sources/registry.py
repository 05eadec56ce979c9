"""Which source reads which kind of input. To add one: a class in a file of its own, and a line here."""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from core.errors import ItemError
from core.inputs import Validators
from core.memory_budget import Reservation
from core.outbound.http.client import HttpClient
from core.settings import Settings
from core.shortage import is_shortage, worker_resources
from core.states import Priority
from worker.sources.source import Fetched, ResolveUpload, Source, SourceContext

T = TypeVar("T")
log = logging.getLogger(__name__)
SOURCES = {
    "url": "worker.sources.web.WebSource",
    "s3": "worker.sources.s3.S3Source",
    "upload": "worker.sources.upload.UploadSource",
    "file": "worker.sources.files.FileSource",
}


class Sources:
    """The sources of one worker, each made on first use: boto3 is not imported for a list of URLs."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._opened: dict[str, Source] = {}

    def fetch(
        self, kind: str, ref: str, tenant_id: str, priority: Priority = Priority.BULK, memory: Reservation | None = None
    ) -> Future[bytes]:
        """The bytes of an input; see Source.fetch. An unknown kind fails with `input_kind_unknown`."""
        return self._asked(kind, lambda source: source.fetch(ref, tenant_id, priority, memory))

    def fetch_changed(
        self,
        kind: str,
        ref: str,
        tenant_id: str,
        known: Validators | None,
        priority: Priority = Priority.BULK,
        memory: Reservation | None = None,
    ) -> Future[Fetched]:
        """The bytes of an input, unless they are known; see Source.fetch_changed. Fails as `fetch`."""
        return self._asked(kind, lambda source: source.fetch_changed(ref, tenant_id, known, priority, memory))

    def _asked(self, kind: str, ask: Callable[[Source], Future[T]]) -> Future[T]:
        try:
            source = self._source(kind)
        except Exception as error:
            if is_shortage(error):
                error = worker_resources()
            elif not isinstance(error, ItemError):
                log.exception("a source cannot be used")
                message = f"the {kind} source cannot be used: {type(error).__name__}"  # its own words may name a path
                error = ItemError("fetch_failed", message, permanent=False)
            future: Future[T] = Future()
            future.set_exception(error)
            return future
        return ask(source)

    def close(self) -> None:
        """Close the sources that were opened. The HTTP client is its owner's to close."""
        with self._lock:
            for source in self._opened.values():
                source.close()
            self._opened.clear()

    def _source(self, kind: str) -> Source:
        source = self._opened.get(kind)
        if source is not None:
            return source
        with self._lock:
            if kind not in self._opened:
                if kind not in SOURCES:
                    raise ItemError("input_kind_unknown", f"inputs of kind {kind} cannot be fetched")
                self._opened[kind] = _load(SOURCES[kind], self._context)
            return self._opened[kind]


def open_sources(settings: Settings, http: HttpClient, resolve_upload: ResolveUpload) -> Sources:
    """The sources of a worker; none is made yet."""
    return Sources(SourceContext(settings, http, resolve_upload))


def _load(path: str, context: SourceContext) -> Source:
    module, _, name = path.rpartition(".")
    source: Source = getattr(importlib.import_module(module), name)(context)
    return source
