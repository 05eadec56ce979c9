"""TAGLINE_PUBLIC_DEMO: strangers use the try page alone, with small jobs, under a tenant of their own.

What a visitor made only his browser can read: a signed cookie names him, and the database which jobs are his. The
addresses of jobs are long, but they end up in histories, logs and chats, and are no secret.
"""

from __future__ import annotations

import json
import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask import Response, g, request

from api.http.rate_limit import network_of
from api.pages.identity.page_state import page_state
from api.pages.identity.session import read_cookie, set_cookie
from api.services import services
from core.errors import NotFound, RequestError
from core.outbound.signing import new_secret
from core.scopes import Scope
from db import visitors
from db.keys import Caller

COOKIE = "tagline_visitor"
MOST_INPUTS = 8
MOST_BYTES = 20_000_000  # of one form, photos included
MOST_CHARACTERS = 2_000  # of a text
MOST_KEPT_BYTES = 2_000_000_000  # photos of all visitors together
MOST_OPTIONS = 4_000  # characters of a job's options, own words included


@dataclass(frozen=True, slots=True)
class Visitor:
    """A browser of somebody whom nobody knows.

    Attributes:
        csrf: what its forms carry.
        new: its cookie is still to be set.
    """

    name: str
    csrf: str
    new: bool


def admit_visitor() -> Caller | None:
    """Who a stranger is on the pages that strangers may use; None where they may use none."""
    if not services().settings.public_demo:
        return None
    known = read_cookie(COOKIE, 2)
    name, csrf = known or (secrets.token_urlsafe(24), secrets.token_urlsafe(16))
    g.visitor = Visitor(name, csrf, new=known is None)
    request.max_content_length = MOST_BYTES
    return Caller(_tenant_id(), visitors.PUBLIC_TENANT, "", Scope.SUBMIT, "")


def current_visitor() -> Visitor | None:
    """The visitor who asks; None if it is somebody who is signed in."""
    found: Visitor | None = g.get("visitor")
    return found


def keep_visitor(response: Response) -> Response:
    """Let a new visitor's browser know who it is."""
    visitor = current_visitor()
    if visitor is not None and visitor.new:
        set_cookie(response, COOKIE, [visitor.name, visitor.csrf])
    return response


def check_visit(*, typing: bool = False) -> None:
    """Before a visitor's photos are kept: are they few, is there room, and has he, or have all, sent few of late?

    Args:
        typing: it is a short text, which pages send while it is written; more of them are taken.

    Raises:
        RequestError: `too_many_requests`, `too_many_inputs` or `upload_quota_exceeded`.
    """
    if current_visitor() is None:
        return
    files = sum(bool(file.filename) for _, several in request.files.lists() for file in several)
    if files > MOST_INPUTS:
        raise RequestError("too_many_inputs", f"Visitors send {MOST_INPUTS} photos at a time; sign in to send more.")
    if files:
        _check_room()
    state = page_state()
    own = state.typed if typing else state.visits
    wait = own.take(network_of(request.remote_addr or "")) or state.all_visits.take("")
    if wait > 0:
        message = f"That was much in a short time. Try again in {math.ceil(wait)} seconds, or sign in."
        raise RequestError("too_many_requests", message)


def check_document(document: Mapping[str, Any]) -> None:
    """Before a visitor's job is made: refuse what is more than a look.

    Args:
        document: as the body of a submission.

    Raises:
        RequestError: `too_many_inputs`, `input_invalid` or `option_invalid`.
    """
    if current_visitor() is None:
        return
    inputs = list(document.get("inputs", []))
    if len(inputs) > MOST_INPUTS:
        raise RequestError("too_many_inputs", f"Visitors send {MOST_INPUTS} photos at a time; sign in to send more.")
    for one in inputs:
        _check_input(one)
    if len(json.dumps(document.get("options", {}))) > MOST_OPTIONS:
        raise RequestError("option_invalid", "These are too many words of your own; sign in to use more.")
    if document.get("webhook"):
        raise RequestError("input_invalid", "Visitors get no webhooks; sign in for them.")


def note_job(job_id: str) -> None:
    """Write down that a job is the current visitor's; nothing if it is somebody's who is signed in."""
    visitor = current_visitor()
    if visitor is not None:
        with services().database.write() as session:
            visitors.note_visit(session, job_id, visitor.name)


def check_job(job_id: str) -> None:
    """Refuse a visitor what another one made.

    Raises:
        NotFound: `job_not_found`.
    """
    visitor = current_visitor()
    if visitor is None:
        return
    with services().database.read() as session:
        if not visitors.is_job_of(session, job_id, visitor.name):
            raise NotFound("job_not_found", f"There is no job {job_id}.")


def check_photo(sha256: str) -> None:
    """Refuse a visitor a picture that is in none of his results.

    Raises:
        NotFound: `thumbnail_not_found`.
    """
    visitor = current_visitor()
    if visitor is None:
        return
    with services().database.read() as session:
        if not visitors.had_photo(session, sha256, visitor.name):
            raise NotFound("thumbnail_not_found", f"There is no thumbnail of {sha256}.")


def _check_input(one: object) -> None:
    given = {"url": one} if isinstance(one, str) else dict(one) if isinstance(one, Mapping) else {}
    kinds = set(given) - {"id"}
    url, text = given.get("url"), given.get("text")
    web = isinstance(url, str) and url.lower().startswith(("http://", "https://"))
    if not kinds <= {"url", "upload", "text"} or ("url" in kinds and not web):
        raise RequestError("input_invalid", "Visitors give photos, web addresses and texts; sign in for the rest.")
    if isinstance(text, str) and len(text) > MOST_CHARACTERS:
        raise RequestError("input_invalid", f"Visitors' texts have at most {MOST_CHARACTERS:,} characters.")


def _check_room() -> None:
    with services().database.read() as session:
        kept = visitors.kept_bytes(session)
    if kept > MOST_KEPT_BYTES:
        message = "There is no room for more photos of visitors; each is removed after a day. Addresses still work."
        raise RequestError("upload_quota_exceeded", message, where="files")


def _tenant_id() -> str:
    state = page_state()
    if not state.public_tenant:
        with services().database.write() as session:
            state.public_tenant = visitors.ensure_public_tenant(session, new_secret())
    return state.public_tenant
