"""Removing uploads: by their owner, or when nobody has needed them for long. The bytes go later, if nobody else's.

Locks are taken in the order uploads, files, tenants; each by its key.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from core.errors import Conflict, NotFound
from db.clock import now_ms
from db.tables import Tenant, Upload, UploadFile
from db.upload_uses import last_needed, needed_by

DAY_MS = 86_400_000
UPLOADS_AT_A_TIME = 200


def delete_upload(session: Session, tenant_id: str, upload_id: str) -> None:
    """Remove a tenant's upload.

    Raises:
        NotFound: `upload_not_found`.
        Conflict: `upload_in_use`, while an unfinished job names it.
    """
    mine = select(Upload).where(Upload.id == upload_id, Upload.tenant_id == tenant_id).with_for_update()
    upload = session.scalars(mine).one_or_none()
    if upload is None:
        raise NotFound("upload_not_found", f"There is no upload {upload_id}.")
    job_id = needed_by(session, upload_id)
    if job_id is not None:
        message = f"Job {job_id} still needs upload {upload_id}; wait until it has finished, or cancel it."
        raise Conflict("upload_in_use", message)
    _remove(session, [upload])


def expire_uploads(session: Session, *, retention_days: float, tenant_id: str | None = None) -> int:
    """Remove a slice of the uploads (of one tenant) that were not sent, and that no job needed, for so long.

    Returns:
        How many were looked at.
    """
    limit = session.execute(select(now_ms())).scalar_one() - round(retention_days * DAY_MS)
    whose = () if tenant_id is None else (Upload.tenant_id == tenant_id,)
    old = select(Upload).where(Upload.used_at < limit, *whose).order_by(Upload.used_at).limit(UPLOADS_AT_A_TIME)
    found = session.scalars(old.with_for_update(skip_locked=True)).all()
    needed = last_needed(session, [upload.id for upload in found])
    for upload in found:
        upload.used_at = max(upload.used_at, needed.get(upload.id, 0))  # so that it is not looked at again tomorrow
    session.flush()
    _remove(session, [upload for upload in found if upload.used_at < limit])
    return len(found)


def _remove(session: Session, uploads: Sequence[Upload]) -> None:
    names = {upload.sha256 for upload in uploads}
    files = select(UploadFile.sha256).where(UploadFile.sha256.in_(names)).order_by(UploadFile.sha256)
    locked = session.scalars(files.with_for_update(key_share=True)).all()
    # Whoever announced the same bytes has set a later time, which stands.
    soon = func.coalesce(UploadFile.check_at, now_ms())
    session.execute(update(UploadFile).where(UploadFile.sha256.in_(locked)).values(check_at=soon))
    session.execute(delete(Upload).where(Upload.id.in_([upload.id for upload in uploads])))
    freed: Counter[str] = Counter()
    for upload in uploads:
        freed[upload.tenant_id] += upload.bytes
    for tenant_id, size in sorted(freed.items()):
        less = update(Tenant).where(Tenant.id == tenant_id).values(upload_bytes=Tenant.upload_bytes - size)
        session.execute(less.execution_options(synchronize_session=False))
