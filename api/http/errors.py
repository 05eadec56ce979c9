"""Errors as RFC 9457 problem documents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import structlog
from flask import Flask, Response, g
from werkzeug.exceptions import HTTPException

from api.http.problems import PROBLEMS, Problem
from core.errors import ArtefactError, ItemError, ManyErrors, RequestError, TaglineError
from db.engine import NoConnection, NotMigrated, Unavailable

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 20
RETRY_AFTER_S = 5
BY_STATUS = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    406: "not_acceptable",
    411: "length_required",
    413: "body_too_large",
    415: "unsupported_media_type",
}
OWN_WORDS = {
    404: "There is nothing at this path. Ids are UUIDs as answers give them; /openapi.json lists the paths there are.",
    405: "This path takes other methods; the Allow header names them.",
}
log = structlog.get_logger(__name__)


def problem(
    code: str,
    detail: str,
    *,
    where: str | None = None,
    errors: Sequence[RequestError] = (),
    meaning: Problem | None = None,
    **more: Any,
) -> Response:
    """A problem document.

    Args:
        where: a JSON pointer, a line, or the name of a header or parameter.
        meaning: of a code that is not among `PROBLEMS`.
        more: other members.
    """
    meaning = meaning or PROBLEMS.get(code, PROBLEMS["internal_error"])
    body: dict[str, Any] = {
        "type": f"urn:tagline:problem:{code}",
        "title": meaning.title,
        "status": meaning.status,
        "detail": detail,
        "code": code,
        **more,
    }
    if where is not None:
        body["where"] = where
    if len(errors) > 1:
        body["errors"] = [{"code": e.code, "detail": e.message, "where": e.where} for e in errors]
    if meaning.status >= 500:
        body["request_id"] = g.get("request_id")
    # ASCII, because what is quoted from a request may hold lone surrogates, which UTF-8 cannot carry.
    response = Response(json.dumps(body), meaning.status, content_type=MEDIA_TYPE)
    if meaning.status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="tagline"'
    if meaning.status in (429, 503) or code == "idempotency_key_in_use":
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


def register_errors(app: Flask) -> None:
    """Answer every error with a problem document: ours, those of Flask, and unexpected ones."""
    app.register_error_handler(TaglineError, _tagline)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(NoConnection, _unavailable)
    app.register_error_handler(NotMigrated, _not_migrated)
    app.register_error_handler(Exception, _unexpected)


def _tagline(error: TaglineError) -> Response:
    if isinstance(error, ArtefactError) and error.code not in PROBLEMS:
        return problem("model_unavailable", str(error))
    if isinstance(error, ItemError):
        return _item(error)
    if error.code not in PROBLEMS:
        return _unexpected(error)
    many = error.errors[:MAX_ERRORS] if isinstance(error, ManyErrors) else ()
    where = error.where if isinstance(error, RequestError) else None
    return problem(error.code, error.message, where=where, errors=many)


def _item(error: ItemError) -> Response:
    """What became of the one input that was asked about. Its code is its own: docs/errors.md lists them."""
    known = PROBLEMS.get(error.code)
    meaning = known if known and known.status == 422 else Problem(422, "The input could not be processed")
    hint = "The same input will fail again." if error.permanent else "It may work later: ask again."
    return problem(error.code, error.message, meaning=meaning, permanent=error.permanent, hint=hint)


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    code = BY_STATUS.get(status, "bad_request" if status < 500 else "internal_error")
    response = problem(code, OWN_WORDS.get(status) or error.description or "The request cannot be answered.")
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _unavailable(error: Exception) -> Response:
    log.error("database unavailable", error=str(error).splitlines()[0])
    return problem("database_unavailable", "The database does not answer; try again in a few seconds.")


def _not_migrated(error: Exception) -> Response:
    log.error("the database does not fit this version; has `tagline migrate` run?", error=str(error).splitlines()[0])
    return problem("database_unavailable", "The database is not ready for this version; the operator must migrate it.")


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return problem(
        "internal_error", f"This is a fault of the server. Tell the operator request id {g.get('request_id')}."
    )
