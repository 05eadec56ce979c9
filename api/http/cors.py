"""Cross-origin requests from browsers, for the origins that a setting names (Fetch standard, CORS protocol)."""

from __future__ import annotations

from flask import Flask, Response, request

METHODS = "GET, HEAD, POST, PUT, PATCH, DELETE"
HEADERS = "Authorization, Content-Type, Idempotency-Key, If-None-Match, Last-Event-ID, Prefer, X-Request-Id"
EXPOSED = "ETag, Idempotent-Replayed, Location, Preference-Applied, Retry-After, X-Request-Id"
MAX_AGE_S = "600"


def allow_origins(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of these origins call the API ("*": of any). Without origins nothing changes.

    The API takes keys from a header and no cookies, so a page of an allowed origin can do nothing without a key.
    """
    if not origins:
        return

    def preflight() -> Response | None:
        asked = request.headers.get("Access-Control-Request-Method")
        if request.method != "OPTIONS" or asked is None or not _allowed(origins):
            return None
        response = Response(status=204)
        response.headers["Access-Control-Allow-Methods"] = METHODS
        response.headers["Access-Control-Allow-Headers"] = HEADERS
        response.headers["Access-Control-Max-Age"] = MAX_AGE_S
        return response

    def mark(response: Response) -> Response:
        response.headers.add("Vary", "Origin")
        if _allowed(origins):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
        return response

    app.before_request(preflight)  # before the key is asked for: a preflight carries none
    app.after_request(mark)


def _allowed(origins: tuple[str, ...]) -> bool:
    origin = request.headers.get("Origin")
    return origin is not None and ("*" in origins or origin.rstrip("/").lower() in origins)
