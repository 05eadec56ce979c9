"""How each process of Tagline is started: the one place where the command lines stand."""

from __future__ import annotations

import sys

from core.file_limit import sockets_to_spare
from core.settings import Settings
from core.tasks import QUEUES

# -P: the folder one happens to be in must not shadow our packages.
_PYTHON = (sys.executable, "-P", "-m")
_DRAIN_S = 4  # a long poll that is still open is cut after this


def api_command(host: str, port: int) -> list[str]:
    """The web server with the API in it; its threads are the API's own (TAGLINE_WEB_THREADS)."""
    return [
        *_PYTHON, "granian", "--interface", "asgi", "--host", host, "--port", str(port), "--workers", "1",
        "--no-ws", "--workers-kill-timeout", str(_DRAIN_S), "--log-level", "warning",
        "--backpressure", str(sockets_to_spare(soft=False)),
        "api.http.asgi:app",
    ]  # fmt: skip


def worker_command(settings: Settings) -> list[str]:
    """A Celery worker for every queue; threads, because models are loaded once and never forked."""
    return [
        *_PYTHON, "celery", "--quiet", "--app", "worker.process.celery_app", "worker",
        "--pool", "threads", "--concurrency", str(settings.worker_concurrency), "--queues", ",".join(QUEUES),
        "--hostname", f"{settings.worker_name or 'tagline'}@%h",
        "--without-gossip", "--without-mingle", "--without-heartbeat",
    ]  # fmt: skip


def scheduler_command() -> list[str]:
    """Leases, rings and webhooks."""
    return [*_PYTHON, "scheduler.main"]


def prepare_command() -> list[str]:
    """Migration and first key."""
    return [*_PYTHON, "cli.stack.prepare"]
