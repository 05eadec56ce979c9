"""Errors of pages: the problem documents that the API answers with, as pages in words."""

from __future__ import annotations

import json
from typing import Any

from flask import Flask, Response, current_app, request

from api.http.auth import is_for_browsers
from api.http.errors import MEDIA_TYPE
from api.pages.frame.page import is_htmx, page, protect
from api.pages.identity.session import ask_nobody
from db.engine import Unavailable

NO_PAGE = "There is no page at this address. It may be misspelt, or what it showed was removed."


def problem_as_page(response: Response) -> Response:
    """A problem of one of our pages, or of a path that leads nowhere, for a person who looks at it."""
    if response.mimetype != MEDIA_TYPE or not _wants_page(current_app):
        return response
    problem = json.loads(response.get_data())
    if problem["code"] == "not_found":
        problem["detail"] = NO_PAGE
    if problem["code"] == "database_unavailable":
        ask_nobody()
    try:
        shown = _shown(problem, response.status_code)
    except Unavailable:  # nothing had asked it before
        ask_nobody()
        shown = _shown(problem, response.status_code)
    for name in ("Retry-After", "Allow"):
        if name in response.headers:
            shown.headers[name] = response.headers[name]
    return protect(shown)


def _shown(problem: dict[str, Any], status: int) -> Response:
    if not is_htmx():
        return page("problem.html", status, problem=problem)
    # A part of a page goes into its notice; browsers write other statuses to their console.
    shown = page("parts/problem.html", problem=problem)
    shown.headers["HX-Retarget"], shown.headers["HX-Reswap"] = "#notice", "innerHTML"
    return shown


def _wants_page(app: Flask) -> bool:
    if request.endpoint is not None:
        return is_for_browsers(app, request.endpoint)
    accepts = request.accept_mimetypes
    return not request.path.startswith("/v1") and accepts["text/html"] > accepts["application/json"]
