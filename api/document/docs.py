"""/openapi.json; `api.pages.about.docs_page` shows it to people."""

from __future__ import annotations

from flask import Response, current_app

from api.document.openapi import build_document
from api.document.operations import Answer, Operation, describe
from api.http.answers import answer
from api.http.auth import OpenBlueprint
from api.services import base_url, services

blueprint = OpenBlueprint("docs", __name__)


@blueprint.get("/openapi.json")
@describe(
    Operation(
        "This document",
        "operations",
        {200: Answer("OpenAPI 3.1.", bodies={"application/json": {"type": "object"}})},
    )
)
def document() -> Response:
    return answer(build_document(current_app, services().catalogue, base_url()))
