"""Removing what strangers left in the public demo, sooner than what tenants have."""

from __future__ import annotations

from time import monotonic, sleep

from db import thumbnail_upkeep, upkeep, upload_removal, visitors
from db.engine import Database
from scheduler.byte_removal import TURN_S

PAUSE_S = 0.02


class VisitorChores:
    """One chore; it is safe to run at any time and by several at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def clear(self) -> None:
        """Remove what the tenant of visitors has had for a day: jobs, photos, thumbnails. All its jobs, for of
        some nobody knows which visitor made them, who was gone before they were."""
        with self._database.read() as session:
            tenant = visitors.find_public_tenant(session)
        if tenant is None:
            return
        over, more = monotonic() + TURN_S, True
        while more and monotonic() < over:
            with self._database.write() as session:
                kept = visitors.KEPT_DAYS
                more = upkeep.retire_one(session, retention_days=kept, tenant_id=tenant) is not None
                for expire in (upload_removal.expire_uploads, thumbnail_upkeep.expire_thumbnails):
                    more |= expire(session, retention_days=kept, tenant_id=tenant) > 0
            sleep(PAUSE_S)
