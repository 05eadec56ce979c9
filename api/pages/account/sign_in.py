"""Signing in, with an API key or by a link that is good once, and out."""

from __future__ import annotations

import math
import re
from posixpath import normpath
from urllib.parse import unquote

from flask import Response, request

from api.http.rate_limit import network_of
from api.pages.frame.page import PageBlueprint, page, see_other
from api.pages.identity import session
from api.pages.identity.csrf import comes_from_elsewhere
from api.pages.identity.page_state import page_state
from api.services import services
from db.keys import authenticate, find_caller
from db.sign_in_links import use_link

blueprint = PageBlueprint("sign_in", signed_out=True)
# A path of ours. Browsers leave tabs and line ends out of an address and take a backslash for a slash, so that //host
# has many spellings.
_LOCAL = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]{0,1999}")


@blueprint.get("/login")
def form() -> Response:
    if session.current_caller() is not None:
        return see_other(_next())
    return page("login.html", next=_next())


@blueprint.post("/login")
def enter() -> Response:
    who = network_of(request.remote_addr or "")
    wait = page_state().guesses.wait_s(who)
    if wait > 0:
        return _wait(wait)
    key = request.form.get("key", "").strip()
    with services().database.read() as rows:
        found = authenticate(rows, key)
    if found is None:
        page_state().guesses.take(who)
        return page("login.html", 401, next=_next(), problem="This key is unknown or revoked.")
    return _signed_in(found.key_sha256, _next())


@blueprint.get("/login/link")
def link() -> Response:
    """Use the link up, if a person has opened it here. Programs that look at links first, and other sites that lead
    here, get a button instead: what they do must not cost the person the link, nor sign anybody in unasked (and after
    another site's link browsers would not send a strict cookie with the page that follows)."""
    looked_at = request.method == "HEAD" or "prefetch" in _purpose() or "preview" in _purpose()
    program = session.by_https() and "Sec-Fetch-Site" not in request.headers  # by https every browser sends it
    if looked_at or program or comes_from_elsewhere():
        return page("sign_in_link.html", token=request.args.get("token", ""))
    return _use_link(request.args.get("token", ""))


@blueprint.post("/login/link")
def link_confirmed() -> Response:
    return _use_link(request.form.get("token", ""))


@blueprint.post("/logout")
def leave() -> Response:
    response = see_other("/login")
    session.end(response)
    return response


def _use_link(token: str) -> Response:
    with services().database.write() as rows:
        key_sha256 = use_link(rows, token)
        found = find_caller(rows, key_sha256) if key_sha256 else None
    if found is not None:
        return _signed_in(found.key_sha256, "/")
    if session.current_caller() is not None:  # opened twice
        return see_other("/")
    problem = "This link was used already, or is too old. “tagline keys link” makes another one."
    return page("login.html", 401, next="/", problem=problem)


def _signed_in(key_sha256: str, target: str) -> Response:
    response = see_other(target)
    session.begin(response, key_sha256)
    return response


def _wait(seconds: float) -> Response:
    shown = math.ceil(seconds)
    problem = f"Too many wrong keys came from your network. Try again in {shown} second{'s' * (shown != 1)}."
    response = page("login.html", 429, next=_next(), problem=problem)
    response.headers["Retry-After"] = str(shown)
    return response


def _purpose() -> str:
    """What a browser says that it asks for, if not to show it."""
    names = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
    return " ".join(request.headers.get(name, "") for name in names).lower()


def _next() -> str:
    """The page that was asked for first, if it is one of ours; none that signs in or out, for then a link of another
    site's making would sign people in as somebody else."""
    target = request.values.get("next", "")
    path = normpath(unquote(re.split("[?#]", target)[0]))
    return target if _LOCAL.fullmatch(target) and not path.startswith(("/login", "/logout")) else "/"
