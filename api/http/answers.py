"""JSON answers, and content negotiation."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request
from werkzeug.datastructures import MIMEAccept

from core.errors import RequestError


def answer(body: Any, status: int = 200, **headers: str) -> Response:
    """A JSON answer; underscores in header names stand for hyphens."""
    response = Response(json.dumps(body, ensure_ascii=False), status, content_type="application/json")
    for name, value in headers.items():
        response.headers[name.replace("_", "-")] = value
    return response


def negotiate(*offered: str) -> str:
    """The media type to answer with, by the Accept header; the first if it does not care.

    Raises:
        RequestError: `not_acceptable`.
    """
    if not request.accept_mimetypes:
        return offered[0]
    # Parameters such as charset=utf-8 choose nothing here, and Werkzeug would take them for another type.
    wanted = MIMEAccept([(value.split(";")[0].strip(), quality) for value, quality in request.accept_mimetypes])
    best = wanted.best_match(offered)
    if best is None:
        raise RequestError("not_acceptable", f"Available as {', '.join(offered)}.", where="Accept")
    return best
