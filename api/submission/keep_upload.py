"""Keeping an image that was sent: looked at, stored, and written down as its sender's."""

from __future__ import annotations

import hashlib
from typing import Any

from api.services import Services
from core.errors import ItemError, RequestError
from core.images.decode import inspect_image
from db import upload_files
from db.uploads import check_quota, record_upload


def keep_upload(services: Services, tenant_id: str, data: bytes, *, where: str) -> dict[str, Any]:
    """Store an image; the upload as clients see it.

    The bytes come before the row, for a row promises that they are there, and are announced before they come, so that
    nobody takes them for unneeded ones meanwhile.

    Args:
        where: what it came in, for errors.

    Raises:
        RequestError: `image_...`, it is no image that can be read; `upload_quota_exceeded`.
        TaglineError: `storage_unavailable`.
    """
    try:
        info = inspect_image(data, services.settings.image_max_pixels)
    except ItemError as error:
        raise RequestError(error.code, error.message, where=where) from None
    sha256 = hashlib.sha256(data).hexdigest()
    size = {"bytes": len(data), "width": info.width, "height": info.height}
    quota_bytes = services.settings.upload_quota_bytes
    while True:
        with services.database.write() as session:
            check_quota(session, tenant_id, sha256=sha256, size=len(data), quota_bytes=quota_bytes)
            announced = upload_files.announce(session, sha256)
        services.uploads.put(data)
        with services.database.write() as session:
            if upload_files.hold(session, sha256, announced):
                upload_id = record_upload(
                    session, tenant_id, sha256=sha256, size=len(data), width=info.width, height=info.height,
                    quota_bytes=quota_bytes,
                )  # fmt: skip
                return {"id": upload_id, "sha256": sha256, **size}
