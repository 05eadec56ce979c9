"""What a run changed, as pages and as a stream; see `db.library_changes` for a change's fields."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from db import library_changes
from db.engine import Database, Session
from db.libraries import find_library
from db.library_runs import find_run

KINDS = ("new", "changed", "moved", "unchanged", "stale", "retried", "gone")


def list_changes(
    session: Session,
    tenant_id: str,
    library_id: str,
    run_id: str,
    *,
    limit: int,
    after: int = 0,
    kind: str | None = None,
    least: float = 0.0,
) -> list[tuple[int, dict[str, Any]]]:
    """Up to `limit` changes with their numbers, which are above `after`, by number; with `least` only labels that are
    worth showing to people.

    Raises:
        NotFound: `library_not_found`, `run_not_found`.
    """
    run = find_run(session, find_library(session, tenant_id, library_id), run_id)
    return library_changes.page_changes(session, run, limit=limit, after=after, kind=kind, least=least)


def stream_changes(
    database: Database, tenant_id: str, library_id: str, run_id: str, *, kind: str | None = None
) -> Iterator[dict[str, Any]]:
    """All changes of a run, in constant memory; raises as `list_changes`, before the first is asked for."""
    with database.read() as session:
        run = find_run(session, find_library(session, tenant_id, library_id), run_id)
        session.expunge(run)
    return library_changes.stream_changes(database, run, kind=kind)
