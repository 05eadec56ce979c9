"""Who is asking: the bearer key of every request below /v1."""

from __future__ import annotations

from typing import cast

from flask import g, request

from api.services import services
from core.errors import RequestError
from db.keys import Caller, authenticate


def require_key() -> None:
    """Before each request: find the caller, or refuse.

    Raises:
        RequestError: `unauthorized`.
    """
    if not (request.path == "/v1" or request.path.startswith("/v1/")):
        return
    scheme, _, key = request.headers.get("Authorization", "").partition(" ")
    key = key.strip()
    found = None
    if scheme.lower() == "bearer" and key:
        with services().database.read() as session:
            found = authenticate(session, key)
    if found is None:
        what = "This API key is unknown or revoked." if key else "Send the header Authorization: Bearer YOUR_KEY."
        raise RequestError("unauthorized", what, where="Authorization")
    g.caller = found


def caller() -> Caller:
    """Whose key the current request carries."""
    return cast(Caller, g.caller)
