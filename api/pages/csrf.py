"""Forms of other sites change nothing here: each of ours carries a token that they cannot know."""

from __future__ import annotations

import hmac

from flask import request

from api.pages.session import current_session
from core.errors import RequestError

FIELD, HEADER = "csrf", "X-CSRF-Token"
SAFE = ("GET", "HEAD", "OPTIONS")


def csrf_token() -> str:
    """What a form has in its field `csrf`, and htmx in a header."""
    session = current_session()
    return session.csrf if session else ""


def check_csrf() -> None:
    """Refuse a change that does not come from one of our pages.

    Raises:
        RequestError: `form_expired`.
    """
    if request.method in SAFE:
        return
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    session = current_session()
    given = request.headers.get(HEADER) or request.form.get(FIELD, "")
    if site not in ("same-origin", "none") or (session and not hmac.compare_digest(given, session.csrf)):
        raise RequestError("form_expired", "This form is too old, or not ours. Load the page again and send it again.")
