"""Removing uploads whose retention is over, and bytes that no upload names."""

from __future__ import annotations

import logging
from time import monotonic

from core.settings import Settings
from core.storage.uploads import UploadStore
from db import upload_files, upload_removal
from db.engine import Database
from scheduler.byte_removal import TURN_S, remove_bytes

log = logging.getLogger(__name__)


class UploadChores:
    """One method a chore; each is safe to run at any time and by several at once.

    They may wait for a bucket, so they have a thread of their own.
    """

    def __init__(self, database: Database, store: UploadStore, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._retention_days = settings.upload_retention_days

    def expire(self) -> None:
        """Remove uploads that were neither sent nor needed for as long as the retention says."""
        over, looked = monotonic() + TURN_S, 1
        while looked and monotonic() < over:
            with self._database.write() as session:
                looked = upload_removal.expire_uploads(session, retention_days=self._retention_days)

    def remove_bytes(self) -> None:
        """Remove bytes that no upload names."""
        removed = remove_bytes(self._database, self._store, upload_files.unneeded_files, upload_files.remove_file)
        if removed:
            log.info("removed the bytes of uploads", extra={"files": removed})
