"""Uploads: who owns which image."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from core.ids import new_id
from db.clock import now_ms
from db.tables import Upload


def record_upload(session: Session, tenant_id: str, *, sha256: str, size: int, width: int, height: int) -> str:
    """Write down an upload whose bytes are stored already; returns its id, the same for the same bytes."""
    same = select(Upload.id).where(Upload.tenant_id == tenant_id, Upload.sha256 == sha256)
    known = session.scalars(same.limit(1)).one_or_none()
    if known is not None:
        return known
    upload_id = new_id()
    values = {"id": upload_id, "tenant_id": tenant_id, "sha256": sha256, "bytes": size}
    session.execute(insert(Upload).values(**values, width=width, height=height, created_at=now_ms()))
    return upload_id


def find_upload(session: Session, tenant_id: str, upload_id: str) -> str | None:
    """The SHA-256 of a tenant's upload, or None."""
    return session.scalars(
        select(Upload.sha256).where(Upload.id == upload_id, Upload.tenant_id == tenant_id)
    ).one_or_none()


def missing_uploads(session: Session, tenant_id: str, upload_ids: Collection[str]) -> set[str]:
    """Those of the ids that are no uploads of this tenant."""
    found = session.scalars(select(Upload.id).where(Upload.tenant_id == tenant_id, Upload.id.in_(upload_ids)))
    return set(upload_ids) - set(found)


def read_upload(session: Session, tenant_id: str, upload_id: str) -> dict[str, Any] | None:
    """A tenant's upload as clients see it, or None."""
    upload = session.scalars(select(Upload).where(Upload.id == upload_id, Upload.tenant_id == tenant_id)).one_or_none()
    if upload is None:
        return None
    names = ("id", "sha256", "bytes", "width", "height")
    return {name: getattr(upload, name) for name in names}
