"""Uploads: who owns which image, and how much of it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.errors import RequestError
from core.ids import new_id
from db.clock import now_ms
from db.tables import FIRST_OF_ITS_CONTENT, Tenant, Upload, UploadFile
from db.upsert import insert_into


def record_upload(
    session: Session, tenant_id: str, *, sha256: str, size: int, width: int, height: int, quota_bytes: int = 0
) -> str:
    """Write down an upload whose bytes are stored already (see `db.upload_files.hold`).

    Args:
        size: in bytes.
        quota_bytes: what a tenant's uploads may take in all; 0: any number.

    Returns:
        Its id, the same for the same bytes.

    Raises:
        RequestError: `upload_quota_exceeded`.
    """
    session.execute(insert_into(session, UploadFile).values(sha256=sha256).on_conflict_do_nothing())
    mine, now = new_id(), session.execute(select(now_ms())).scalar_one()
    values = {"id": mine, "tenant_id": tenant_id, "sha256": sha256, "bytes": size, "width": width, "height": height}
    upload = insert_into(session, Upload).values(**values, created_at=now, used_at=now, duplicate=False)
    same = upload.on_conflict_do_update(
        index_elements=["tenant_id", "sha256"], index_where=FIRST_OF_ITS_CONTENT, set_={"used_at": now}
    )
    upload_id: str = session.execute(same.returning(Upload.id)).scalar_one()
    if upload_id == mine:
        more = update(Tenant).where(Tenant.id == tenant_id).values(upload_bytes=Tenant.upload_bytes + size)
        _check(session.scalars(more.returning(Tenant.upload_bytes)).one() - size, size, quota_bytes)
    return upload_id


def check_quota(session: Session, tenant_id: str, *, sha256: str, size: int, quota_bytes: int) -> None:
    """Refuse an upload for which there will be no room, before its bytes are stored; `record_upload` decides.

    Raises:
        RequestError: `upload_quota_exceeded`.
    """
    known = select(Upload.id).where(Upload.tenant_id == tenant_id, Upload.sha256 == sha256)
    if quota_bytes and session.scalars(known.limit(1)).first() is None:
        taken = session.scalars(select(Tenant.upload_bytes).where(Tenant.id == tenant_id)).one()
        _check(taken, size, quota_bytes)


def _check(taken: int, size: int, quota_bytes: int) -> None:
    if taken + size > quota_bytes > 0:
        raise RequestError(
            "upload_quota_exceeded",
            f"Your uploads may take {quota_bytes:,} bytes in all; {taken:,} are taken, and this one has {size:,}. "
            "DELETE /v1/uploads/ID removes what you no longer need.",
        )


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
