"""Inputs at s3:// URIs."""

from __future__ import annotations

import posixpath
import re

from core.errors import ItemError
from core.outbound.s3.store import S3Store
from core.outbound.s3.uri import check_bucket, parse_s3_uri, split_version
from worker.sources.source import PooledSource, SourceContext

_UPLOAD = re.compile(r"(^|/)[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{64}$")  # as core/storage/uploads.py names them


class S3Source(PooledSource):
    """Reads objects with the service's own credentials, fetch_per_host at a time.

    All tenants share those credentials, so the operator can name the buckets that inputs may come from, and other
    tenants' uploads cannot be read by their place in the bucket.
    """

    def __init__(self, context: SourceContext) -> None:
        super().__init__("s3", context.settings.fetch_per_host, context.settings.fetch_max_bytes)
        self._store = S3Store(context.settings)
        self._max_bytes = context.settings.fetch_max_bytes
        self._buckets = context.settings.s3_buckets
        uploads = context.settings.uploads_url
        self._uploads_bucket = parse_s3_uri(uploads, prefix=True)[0] if uploads else None

    def load(self, ref: str, tenant_id: str) -> bytes:
        """See PooledSource."""
        bucket, key = parse_s3_uri(ref)
        key, version = split_version(key)
        check_bucket(bucket, self._buckets)
        # As it stands, and as a server that keeps objects in folders would read it.
        if bucket == self._uploads_bucket and any(map(_UPLOAD.search, (key, posixpath.normpath(key)))):
            raise ItemError("s3_access_denied", "uploads are named by their id, not by their place in the bucket")
        return self._store.get(bucket, key, self._max_bytes, version)
