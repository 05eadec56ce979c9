"""Inputs that were uploaded to Tagline before."""

from __future__ import annotations

from core.errors import ItemError
from core.storage.uploads import open_upload_store
from worker.sources.source import PooledSource, SourceContext

_THREADS = 4


class UploadSource(PooledSource):
    """Reads uploads; an id of another tenant is as unknown as one that never was."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__("upload", _THREADS, context.settings.max_upload_bytes)
        self._store = open_upload_store(context.settings)
        self._resolve = context.resolve_upload

    def load(self, ref: str, tenant_id: str) -> bytes:
        """See PooledSource."""
        sha256 = self._resolve(tenant_id, ref)
        if sha256 is None:
            raise ItemError("upload_not_found", "this upload does not exist or has been deleted")
        return self._store.get(sha256)
