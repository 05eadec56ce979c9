"""Libraries and runs as clients see them; times are milliseconds since 1970-01-01 UTC."""

from __future__ import annotations

from typing import Any

from core.outbound.links import library_links, run_links
from core.states import RunState
from db.library_tables import Library, LibraryRun

COUNTS = (
    "listed", "skipped", "new", "changed", "moved", "unchanged", "gone", "stale", "retried", "ran", "reused",
    "succeeded", "failed",
)  # fmt: skip


def library_view(library: Library) -> dict[str, Any]:
    """A library, without its webhook's secret."""
    return {
        "id": library.id,
        "name": library.name,
        "source": library.source,
        "tasks": library.tasks,
        "options": library.options,
        "models": library.models,
        "schedule": library.schedule,
        "webhook": {"url": library.webhook_url} if library.webhook_url else None,
        "write": library.write,
        "write_threshold": library.write_threshold,
        "next_run_at": library.next_due_at,
        "created_at": library.created_at,
        "updated_at": library.updated_at,
        "links": library_links(library.id),
    }


def run_view(library_id: str, run: LibraryRun, counts: dict[str, int]) -> dict[str, Any]:
    """A run. `counts` as `libraries.runs` gathers them."""
    error = None
    if run.error_code is not None:
        error = {"code": run.error_code, "message": run.error_message}
    return {
        "id": run.id,
        "library_id": library_id,
        "what": run.what,
        "dry_run": run.dry_run,
        "force": run.force,
        "limit": run.most,
        "scheduled_for": run.scheduled_for,
        "state": RunState(run.state),
        "counts": {name: counts.get(name, 0) for name in COUNTS},
        "labels": run.labels or {"added": [], "removed": []},
        "models": run.models,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "undone_at": run.undone_at,
        "error": error,
        "links": run_links(library_id, run.id),
    }
