"""The application: services, routes, and what surrounds every request."""

from __future__ import annotations

import re
import time

import structlog
from flask import Flask, Response, g, request
from werkzeug.routing import BaseConverter

from api.document import docs
from api.http.auth import require_key
from api.http.cors import allow_origins
from api.http.errors import register_errors
from api.http.thread_waits import ThreadWaits
from api.http.waits import waited, will_be_called_again
from api.pages.register import register_pages
from api.probes import health, scrape
from api.services import KEY, make_services, services
from api.v1 import (
    catalogue,
    deliveries,
    events,
    jobs,
    keys,
    libraries,
    library_changes,
    library_manifests,
    library_photos,
    library_runs,
    library_search,
    predict,
    results,
    thumbnails,
    uploads,
)
from core.ids import new_id
from core.settings import Settings

LIBRARIES = (libraries, library_manifests, library_runs, library_changes, library_photos, library_search)
SMALL = (uploads, thumbnails, catalogue, deliveries, keys)
MODULES = (jobs, results, events, predict, *SMALL, *LIBRARIES, health, scrape, docs)
REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
log = structlog.get_logger(__name__)


class IdConverter(BaseConverter):
    """Ids in paths: a path with anything else in their place matches no route and never reaches the database."""

    regex = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"

    def to_python(self, value: str) -> str:
        """Some tools write UUIDs in capitals (RFC 9562 section 4 takes both); ours are kept in small letters."""
        return value.lower()


class Sha256Converter(BaseConverter):
    """The SHA-256 of some bytes, in hex and small letters."""

    regex = "[0-9a-f]{64}"


def create_app(settings: Settings) -> Flask:
    """The WSGI application. It opens no connection before the first request."""
    app = Flask("api", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.url_map.converters["id"] = IdConverter
    app.url_map.converters["sha256"] = Sha256Converter
    app.url_map.strict_slashes = False
    app.extensions[KEY] = make_services(settings)
    app.before_request(_begin)
    allow_origins(app, settings.cors_origins)
    app.before_request(require_key)
    app.after_request(_end)
    for module in MODULES:
        app.register_blueprint(module.blueprint)
    register_pages(app)
    register_errors(app)
    app.wsgi_app = ThreadWaits(app.wsgi_app)  # type: ignore[method-assign]
    return app


def close_app(app: Flask) -> None:
    """Close what `create_app` opened."""
    app.extensions[KEY].live.close()
    app.extensions[KEY].database.close()
    app.extensions[KEY].doorbell.close()


def _begin() -> None:
    given = request.headers.get("X-Request-Id", "")
    before = waited()
    g.request_id = before.request_id if before else given if REQUEST_ID.fullmatch(given) else new_id()
    g.started = before.started if before else time.perf_counter()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)
    if request.view_args and "job_id" in request.view_args:
        structlog.contextvars.bind_contextvars(job_id=request.view_args["job_id"])


def _end(response: Response) -> Response:
    if will_be_called_again():
        return response
    seconds = time.perf_counter() - g.started
    route = request.url_rule.rule if request.url_rule else "unknown"
    method = request.method if request.method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else "other"
    metrics = services().metrics
    metrics.requests.labels(method, route, str(response.status_code)).inc()
    metrics.seconds.labels(method, route).observe(seconds)
    response.headers["X-Request-Id"] = g.request_id
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
    if not route.endswith(("/healthz", "/readyz", "/metrics")):
        log.info(
            "request", method=request.method, path=request.path[:500], status=response.status_code,
            ms=round(seconds * 1000, 1),
        )  # fmt: skip
    return response
