"""Removing thumbnails that nobody needs any more, and their bytes."""

from __future__ import annotations

import logging
from time import monotonic

from core.settings import Settings
from core.storage.blobs import SHELVES, Blobs
from db import thumbnail_upkeep
from db.engine import Database
from scheduler.byte_removal import TURN_S, remove_bytes

log = logging.getLogger(__name__)


class ThumbnailChores:
    """One method a chore; each is safe to run at any time and by several at once.

    They may wait for a bucket, as those of uploads do, and have their thread.
    """

    def __init__(self, database: Database, store: Blobs, settings: Settings) -> None:
        self._database = database
        self._store = store
        self._retention_days = settings.retention_days
        self._shelf = 0

    def expire(self) -> None:
        """Remove thumbnails that neither a job nor a library needed for as long as the retention says."""
        over, looked = monotonic() + TURN_S, 1
        while looked and monotonic() < over:
            with self._database.write() as session:
                looked = thumbnail_upkeep.expire_thumbnails(session, retention_days=self._retention_days)
        with self._database.write() as session:
            thumbnail_upkeep.clear_requests(session)

    def remove_bytes(self) -> None:
        """Remove bytes that no tenant has any more."""
        removed = remove_bytes(
            self._database, self._store, thumbnail_upkeep.unneeded_files, thumbnail_upkeep.remove_file
        )
        if removed:
            log.info("removed thumbnails", extra={"files": removed})

    def note_strays(self) -> None:
        """Look through a part of the store for bytes that have no row, because their worker died in between."""
        shelf, self._shelf = SHELVES[self._shelf], (self._shelf + 1) % len(SHELVES)
        names = list(self._store.names(shelf))
        if names:
            with self._database.write() as session:
                thumbnail_upkeep.note_files(session, names)
