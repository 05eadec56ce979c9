"""Who is asking: the bearer key, which every route needs unless its blueprint is declared open."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Flask, current_app, g, request

from api.http.scopes import check_scope, needed_scope
from api.services import services
from core.errors import RequestError
from db.keys import Caller, authenticate


class OpenBlueprint(Blueprint):
    """A blueprint whose routes need no key. Those of every other blueprint need one: forgetting to declare a blueprint
    closes it instead of opening it."""


class BrowserBlueprint(OpenBlueprint):
    """A blueprint for browsers: it asks for a session itself where one is needed; the document leaves it out."""


def is_for_browsers(app: Flask, endpoint: str) -> bool:
    """Whether a route is a page, or something that pages load."""
    return isinstance(app.blueprints.get(endpoint.rpartition(".")[0]), BrowserBlueprint)


def is_open(app: Flask, endpoint: str) -> bool:
    """Whether a route needs no key."""
    return isinstance(app.blueprints.get(endpoint.rpartition(".")[0]), OpenBlueprint)


def require_key() -> None:
    """Before each request: find the caller whose key may do this, or refuse.

    Raises:
        RequestError: `unauthorized` or `scope_missing`.
    """
    if request.endpoint is None:
        if not _near_keyed_route():
            return  # answered with 404
    elif is_open(current_app, request.endpoint):
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
    if request.endpoint is not None:
        check_scope(found.scope, needed_scope(current_app, request.endpoint, request.method))
    g.caller = found


def _near_keyed_route() -> bool:
    """Whether an unknown path begins like a route that needs a key: 404 would tell strangers which routes there are."""
    first = request.path.split("/")[1]
    return any(
        rule.rule.split("/")[1] == first and not is_open(current_app, rule.endpoint)
        for rule in current_app.url_map.iter_rules()
    )


def caller() -> Caller:
    """Whose key the current request carries."""
    return cast(Caller, g.caller)
