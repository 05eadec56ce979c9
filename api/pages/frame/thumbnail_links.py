"""Where the small pictures of photos are, for those that have one."""

from __future__ import annotations

from collections.abc import Collection

from db.engine import Session
from db.thumbnails import thumbnails_there


def thumbnail_links(session: Session, tenant_id: str, sha256s: Collection[str]) -> dict[str, str]:
    """The address of each photo's thumbnail, by the photo's SHA-256; those without one are left out."""
    return {sha256: f"/thumbnails/{sha256}" for sha256 in thumbnails_there(session, tenant_id, sha256s)}
