"""Libraries, runs and photos as clients see them: times written out, and links to where the client reaches us."""

from __future__ import annotations

from typing import Any

from api.v1.views import iso
from core.outbound.links import library_links, run_links
from db.library_tables import Library
from libraries.views import library_view

View = dict[str, Any]
_TIMES = ("next_run_at", "created_at", "updated_at", "scheduled_for", "started_at", "finished_at", "undone_at")


def shown_library(library: Library, base_url: str) -> View:
    """A library."""
    return {**with_times(library_view(library)), "links": library_links(library.id, base_url)}


def shown_run(run: View, base_url: str) -> View:
    """A run, as `libraries.runs` gives it."""
    return {**with_times(run), "links": run_links(run["library_id"], run["id"], base_url)}


def with_times(view: View) -> View:
    """The same with its times as ISO 8601, which were milliseconds."""
    return {name: iso(value) if name in _TIMES and value is not None else value for name, value in view.items()}
