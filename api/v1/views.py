"""Rows as clients see them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from api.forecasts import SecondsLeft
from core.outbound.links import job_links
from core.states import Priority
from db.tables import Job


def iso(ms: int) -> str:
    """Milliseconds since 1970 as ISO 8601 in UTC."""
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _maybe(ms: int | None) -> str | None:
    return None if ms is None else iso(ms)


def job_view(job: Job, base_url: str, seconds_left: SecondsLeft = lambda _: None) -> dict[str, Any]:
    """A job; its webhook's secret stays out.

    Args:
        seconds_left: says how long it will take; see `api.forecasts`.
    """
    done = job.succeeded + job.failed + job.cancelled
    return {
        "id": job.id,
        "state": str(job.state),
        "tasks": job.tasks,
        "options": job.options,
        "models": job.models,
        "priority": Priority(job.priority).name.lower(),
        "name": job.name,
        "reuse": job.reuse,
        "metadata": job.meta,
        "webhook": {"url": job.webhook_url} if job.webhook_url else None,
        "counts": {
            "total": job.total,
            "pending": job.total - done,
            "succeeded": job.succeeded,
            "failed": job.failed,
            "cancelled": job.cancelled,
        },
        "progress": _progress(job, done),
        "eta_seconds": seconds_left(job),
        "created_at": iso(job.created_at),
        "started_at": _maybe(job.started_at),
        "finished_at": _maybe(job.finished_at),
        "expires_at": iso(job.expires_at),
        "links": job_links(job.id, base_url),
    }


def _progress(job: Job, done: int) -> float:
    """The part that is done of what is known; never all of it while more may be found below a prefix."""
    part = round(done / job.total, 4) if job.total else float(not job.listings)
    return min(part, 0.9999) if job.listings else part


def delivery_view(delivery: dict[str, Any]) -> dict[str, Any]:
    """A delivery with its times written out."""
    return {
        **delivery,
        "created_at": iso(delivery["created_at"]),
        "next_attempt_at": _maybe(delivery["next_attempt_at"]),
        "attempts": [{**attempt, "at": iso(attempt["at"])} for attempt in delivery["attempts"]],
    }


def etag(job: Job) -> str:
    """Weak, since the guess of what time is left changes without the job."""
    return f'W/"{job.version}"'
