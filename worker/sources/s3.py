"""Inputs at s3:// URIs."""

from __future__ import annotations

from core.s3 import S3Store, parse_s3_uri
from worker.sources.base import PooledSource, SourceContext


class S3Source(PooledSource):
    """Reads objects with the service's own credentials, fetch_per_host at a time."""

    def __init__(self, context: SourceContext) -> None:
        super().__init__("s3", context.settings.fetch_per_host)
        self._store = S3Store(context.settings)
        self._max_bytes = context.settings.fetch_max_bytes

    def load(self, ref: str, tenant_id: str) -> bytes:
        """See PooledSource."""
        bucket, key = parse_s3_uri(ref)
        return self._store.get(bucket, key, self._max_bytes)
