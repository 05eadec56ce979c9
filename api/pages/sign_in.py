"""Signing in with an API key, and out."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import Response, request

from api.pages import session
from api.pages.page import PageBlueprint, page, see_other
from api.services import services
from db.keys import authenticate, hash_key

blueprint = PageBlueprint("sign_in", signed_out=True)


@blueprint.get("/login")
def form() -> Response:
    if session.current_caller() is not None:
        return see_other(_next())
    return page("login.html", next=request.args.get("next", ""))


@blueprint.post("/login")
def enter() -> Response:
    key = request.form.get("key", "").strip()
    with services().database.read() as rows:
        found = authenticate(rows, key) if key else None
    if found is None:
        return page("login.html", 401, next=request.form.get("next", ""), wrong=True)
    response = see_other(_next())
    session.begin(response, hash_key(key))
    return response


@blueprint.post("/logout")
def leave() -> Response:
    response = see_other("/login")
    session.end(response)
    return response


def _next() -> str:
    """The page that was asked for first; only one of ours."""
    target = request.values.get("next", "")
    parts = urlsplit(target)
    local = target.startswith("/") and not target.startswith(("//", "/\\")) and not parts.scheme and not parts.netloc
    return target if local else "/"
