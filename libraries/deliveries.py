"""The webhooks that told of a library's runs."""

from __future__ import annotations

from typing import Any

from db import outbox
from db.engine import Session
from db.libraries import find_library


def list_deliveries(
    session: Session, tenant_id: str, library_id: str, *, limit: int, before: str | None = None
) -> list[dict[str, Any]]:
    """A library's deliveries with every attempt, newest first, older than the id `before`; raises NotFound."""
    library = find_library(session, tenant_id, library_id)
    about = f"libraries/{library.id}/"
    return outbox.page_deliveries(session, tenant_id, limit=limit, before=before, about=about)
