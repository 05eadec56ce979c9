"""Serving a process's own metrics, which must never take the process down."""

from __future__ import annotations

import logging

from prometheus_client import start_http_server

from core.settings import Settings

log = logging.getLogger(__name__)


def serve_metrics(settings: Settings) -> None:
    """Answer GET /metrics at `metrics_port`, on a thread of its own; nothing if that is 0."""
    if not settings.metrics_port:
        return
    try:
        start_http_server(settings.metrics_port, settings.metrics_host)
    except OSError as error:
        log.error("metrics are not served: %s", error, extra={"port": settings.metrics_port})
