"""Who looks at a page: a signed cookie that names the hash of a key. Nothing of it is stored.

The key is looked up for each request, so that revoking it ends its sessions at once. A cookie that is forged, old, or
of another server means that nobody is signed in, and is no error.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass
from typing import Any

from flask import Response, g, request
from itsdangerous import BadData, URLSafeTimedSerializer

from api.pages.identity.page_state import signing_secret
from api.services import services
from db.keys import Caller, find_caller

COOKIE = "tagline_session"
LASTS_S = 30 * 86_400


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
    set_cookie(response, COOKIE, [key_sha256, secrets.token_urlsafe(16)])


def end(response: Response) -> None:
    """Sign out."""
    response.delete_cookie(cookie_name(COOKIE), httponly=True, samesite="Strict", secure=by_https())


def current_session() -> PageSession | None:
    """The session of the current request; None if its cookie is missing, forged or old."""
    if "page_session" not in g:
        said = read_cookie(COOKIE, 2)
        g.page_session = PageSession(*said) if said else None
    found: PageSession | None = g.page_session
    return found


def current_caller() -> Caller | None:
    """Whose key the session names, if it is live still."""
    if "page_caller" not in g:
        g.page_caller = _find()
    found: Caller | None = g.page_caller
    return found


def ask_nobody() -> None:
    """Let it stay unknown who looks at this page: the database, which would know, does not answer."""
    g.page_session = g.page_caller = None


def _find() -> Caller | None:
    session = current_session()
    if session is None:
        return None
    with services().database.read() as rows:
        return find_caller(rows, session.key_sha256)


def set_cookie(response: Response, name: str, words: list[str]) -> None:
    """Let the browser keep some words of ours, which nobody else can write."""
    value = _signer(name, signing_secret(make=True) or "").dumps(words)
    response.set_cookie(
        cookie_name(name), str(value), max_age=LASTS_S, httponly=True, samesite="Strict", secure=by_https()
    )


def read_cookie(name: str, count: int) -> list[str] | None:
    """The words that were given to the browser; None if it has none of ours that are still good."""
    value = request.cookies.get(cookie_name(name), "")
    secret = signing_secret() if value else None
    if secret is None:
        return None
    try:
        said: Any = _signer(name, secret).loads(value, max_age=LASTS_S)
    except BadData:
        return None
    good = isinstance(said, list) and len(said) == count and all(isinstance(word, str) for word in said)
    return said if good else None


def cookie_name(name: str) -> str:
    """Browsers keep the cookies of all ports of a host together: two services on one machine would sign one another's
    people out."""
    port = re.search(r":([0-9]{1,5})$", request.host)
    return f"{name}_{port[1]}" if port else name


def by_https() -> bool:
    """Whether browsers reach us by https: themselves, or by a proxy in front of us."""
    told = request.headers.get("X-Forwarded-Proto", "").partition(",")[0].strip().lower() == "https"
    return request.is_secure or told or services().settings.public_url.startswith("https://")


def _signer(name: str, secret: str) -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(secret, salt=name, signer_kwargs={"digest_method": hashlib.sha256})
