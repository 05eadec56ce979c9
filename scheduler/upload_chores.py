"""Removing uploads whose retention is over, and bytes that no upload names."""

from __future__ import annotations

import logging
from time import monotonic

from core.settings import Settings
from core.storage.uploads import UploadStore
from db import upload_files, upload_removal
from db.engine import Database

log = logging.getLogger(__name__)
TURN_S = 5.0  # for one chore at a time, so that the scheduler stops soon


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
        with self._database.write() as session:
            unneeded = upload_files.unneeded_files(session)
        over, removed = monotonic() + TURN_S, 0
        for sha256 in unneeded:
            if monotonic() > over:
                break
            # Asked before the row is locked: a store that does not answer must not hold the lock.
            there = self._store.has(sha256)
            with self._database.write() as session:
                removed += upload_files.remove_file(session, sha256, self._store.delete) and there
        if removed:
            log.info("removed the bytes of uploads", extra={"files": removed})
