"""Thumbnails of photos that were run before there were any: read and made when somebody first looks at them."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from concurrent.futures import Future, as_completed
from contextlib import suppress
from functools import partial
from typing import Any

from core.errors import ItemError, TaglineError
from core.images.decode import decode_thumbnail
from core.images.thumbnail import encode_thumbnail
from core.memory_budget import Reservation
from core.states import Priority
from core.storage.thumbnail_store import STORE_FAILURES
from db.thumbnail_requests import Wanted, close_request, refuse_request, requests_wait, take_requests
from db.thumbnails import add_thumbnails
from libraries.listing.open_listing import locate
from worker.chunk.context import WorkerContext

log = logging.getLogger(__name__)

READ_S = 20.0  # for all that are read at once: others wait behind them


def answer_requests(context: WorkerContext) -> bool:
    """Answer some of the requests that are open; False if there were none."""
    if context.stopping.is_set():
        return False
    with context.database.read() as session:  # reading costs less than the lock that taking needs
        if not requests_wait(session):
            return False
    with context.database.write() as session:
        taken = take_requests(session)
    read: dict[Future[bytes], tuple[Wanted, Reservation]] = {}
    for wanted in taken:
        memory = context.memory.reserve(Priority.INTERACTIVE)
        read[_read(context, wanted, memory)] = wanted, memory
    with suppress(TimeoutError):
        for data in as_completed(list(read), timeout=READ_S):  # as they come: the others may wait for their memory
            wanted, memory = read.pop(data)
            _answer(context, wanted, data)
            memory.release()
    for data, (wanted, memory) in read.items():
        _answer(context, wanted, data)
        data.add_done_callback(partial(_release, memory))  # its transfer may still be under way
    return bool(taken)


def _release(memory: Reservation, _: Future[bytes]) -> None:
    memory.release()


def _read(context: WorkerContext, wanted: Wanted, memory: Reservation) -> Future[bytes]:
    try:
        kind, ref = locate(wanted.source, wanted.key, wanted.locator)
    except ValueError:  # the library has another kind of source by now
        gone: Future[bytes] = Future()
        gone.set_exception(ItemError("photo_not_listed", "the library's source is another one now"))
        return gone
    return context.sources.fetch(kind, ref, wanted.tenant_id, Priority.INTERACTIVE, memory)


def _answer(context: WorkerContext, wanted: Wanted, data: Future[bytes]) -> None:
    try:
        if not data.done():
            data.cancel()
            raise ItemError("fetch_timeout", "the photo has not come in time", permanent=False)
        _store(context, wanted, data.result())
    except STORE_FAILURES as error:
        code = error.code if isinstance(error, TaglineError) else "storage_unavailable"
        _refuse(context, wanted, code, permanent=isinstance(error, ItemError) and error.permanent)
    except Exception:
        log.exception("a photo could not be shown", extra={"photo": wanted.photo})
        _refuse(context, wanted, "internal_error", permanent=False)


def _store(context: WorkerContext, wanted: Wanted, data: bytes) -> None:
    """Store the thumbnail of what was read, if these are the bytes that the library knows.

    Raises:
        ItemError: why the photo cannot be shown; `photo_changed`, since the last run.
    """
    if hashlib.sha256(data).digest() != wanted.sha256:
        raise ItemError("photo_changed", "the photo has changed since it was run", permanent=False)
    picture = encode_thumbnail(decode_thumbnail(data, context.settings.image_max_pixels))
    context.thumbnails.put(wanted.sha256.hex(), picture)
    with context.database.write() as session:
        add_thumbnails(session, wanted.tenant_id, [wanted.sha256], wanted.since)
        close_request(session, wanted.photo)


def _refuse(context: WorkerContext, wanted: Wanted, code: str, *, permanent: bool) -> None:
    extra: Mapping[str, Any] = {"photo": wanted.photo, "code": code}
    log.info("a photo cannot be shown", extra=extra)
    with context.database.write() as session:
        refuse_request(session, wanted.photo, code, permanent=permanent)
