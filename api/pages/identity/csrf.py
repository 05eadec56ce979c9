"""Forms of other sites change nothing here: ours carry a token that they cannot know, and browsers say where a form
comes from."""

from __future__ import annotations

import hmac
from urllib.parse import urlsplit

from flask import request

from api.http.waits import waited
from api.pages.identity.public_demo import current_visitor
from api.pages.identity.session import current_session
from api.services import services
from core.errors import RequestError

FIELD, HEADER = "csrf", "X-CSRF-Token"
SAFE = ("GET", "HEAD", "OPTIONS")


def csrf_token() -> str:
    """What a form has in its field `csrf`, and htmx in a header; empty for whom nobody knows."""
    session = current_session() or current_visitor()
    return session.csrf if session else ""


def check_csrf() -> None:
    """Refuse a change that does not come from one of our pages. Who has no session yet has no token either: of his
    forms the browser's word alone counts. A request that has waited was judged before, when its form could be read.

    Raises:
        RequestError: `form_expired`.
    """
    if request.method in SAFE or waited() is not None:
        return
    token = csrf_token()
    if comes_from_elsewhere() or (token and not hmac.compare_digest(_given().encode(), token.encode())):
        raise RequestError("form_expired", "This form is too old, or not ours. Load the page again and send it again.")


def comes_from_elsewhere() -> bool:
    """Whether the browser says that another site sent it here. Browsers say more where they trust the connection (https
    or this machine), else only the origin; programs say nothing."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    if origin is None:
        return False
    ours = {request.host.lower(), urlsplit(services().settings.public_url).netloc.lower()} - {""}
    return urlsplit(origin).netloc.lower() not in ours


def _given() -> str:
    return request.headers.get(HEADER) or request.form.get(FIELD, "")
