"""The API's documentation for people: Swagger UI, which reads /openapi.json. For everybody, like that document."""

from __future__ import annotations

from flask import Response, render_template

from api.http.auth import BrowserBlueprint

blueprint = BrowserBlueprint("docs_page", __name__)
# Of its own: the pictures of Swagger UI are data: URLs. Still nothing from elsewhere, and no script but files of ours.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)


@blueprint.get("/docs")
def show() -> Response:
    response = Response(render_template("docs.html"), content_type="text/html; charset=utf-8")
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Referrer-Policy"] = "same-origin"
    return response
