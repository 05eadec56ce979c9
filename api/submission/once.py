"""Requests that make something, done once however often they are sent under one Idempotency-Key."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import request

from api.http.auth import caller
from api.services import services
from api.submission.body import Body
from api.submission.key_lock import KeyLock
from core.errors import Conflict, NotFound, RequestError
from db import idempotency
from db.engine import Session

View = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Made:
    """What was made, as clients see it, and whether it was made by an earlier request."""

    view: View
    replayed: bool


def make_once(body: Body, make: Callable[[Session], View], find: Callable[[Session, str], object]) -> Made:
    """Make something in a transaction, or give the first answer again.

    Args:
        body: of the current request, read to its end.
        make: gives what was made, with its `id`.
        find: looks for what has an id; raises NotFound if it was removed.

    Raises:
        RequestError: what `make` raises, and the key is free again; `idempotency_key_invalid`,
            `idempotency_key_reused`, `idempotency_key_in_use` or `idempotency_key_spent`.
    """
    key = idempotency_key()
    if key is None:
        with services().database.write() as session:
            return Made(make(session), replayed=False)
    fingerprint = body.digest(request.method, request.path)
    lock = KeyLock(services().database, caller().tenant_id, key)
    known = lock.take()
    if known is not None:
        return Made(_replay(known, fingerprint, find), replayed=True)
    try:
        with services().database.write() as session:
            view = make(session)
            lock.complete(session, view, fingerprint=fingerprint)
            return Made(view, replayed=False)
    except BaseException:
        lock.release()
        raise


def _replay(known: idempotency.Known, fingerprint: str, find: Callable[[Session, str], object]) -> View:
    if known.fingerprint != fingerprint:
        message = "This Idempotency-Key was used for another submission; use a new key for each one."
        raise RequestError("idempotency_key_reused", message, where="Idempotency-Key")
    try:
        with services().database.read() as session:
            find(session, known.job_id)
    except NotFound:
        message = "What was made under this Idempotency-Key was removed; use a new key to make it again."
        raise Conflict("idempotency_key_spent", message, where="Idempotency-Key") from None
    return known.response


def idempotency_key() -> str | None:
    """The key of the current request, or None.

    Raises:
        RequestError: `idempotency_key_invalid`.
    """
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(r"[!-~]{1,255}", key):
        message = "1 to 255 printable ASCII characters without spaces, for example a UUID."
        raise RequestError("idempotency_key_invalid", message, where="Idempotency-Key")
    return key
