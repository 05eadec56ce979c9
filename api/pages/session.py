"""Who looks at a page: a signed cookie that names the hash of a key."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

from flask import Response, g, request
from itsdangerous import BadSignature, URLSafeTimedSerializer

from api.services import services
from db.keys import Caller, find_caller

COOKIE = "tagline_session"
LASTS_S = 30 * 86_400
_SECRET = secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class PageSession:
    """What the cookie says.

    Attributes:
        key_sha256: of the key that was signed in with; while it is live the session is.
        csrf: what every form of this session carries.
    """

    key_sha256: str
    csrf: str


def begin(response: Response, key_sha256: str) -> None:
    """Sign in."""
    value = _signer().dumps([key_sha256, secrets.token_urlsafe(16)])
    response.set_cookie(COOKIE, value, max_age=LASTS_S, httponly=True, samesite="Strict", secure=request.is_secure)


def end(response: Response) -> None:
    """Sign out."""
    response.delete_cookie(COOKIE, httponly=True, samesite="Strict", secure=request.is_secure)


def current_session() -> PageSession | None:
    """The session of the current request; None if its cookie is missing, forged or old."""
    if "page_session" not in g:
        g.page_session = _read(request.cookies.get(COOKIE, ""))
    found: PageSession | None = g.page_session
    return found


def current_caller() -> Caller | None:
    """Whose key the session names, if it is live still."""
    session = current_session()
    if session is None:
        return None
    with services().database.read() as rows:
        return find_caller(rows, session.key_sha256)


def _read(value: str) -> PageSession | None:
    try:
        said: Any = _signer().loads(value, max_age=LASTS_S)
    except BadSignature:
        return None
    return PageSession(*said)


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(_SECRET, salt=COOKIE)
