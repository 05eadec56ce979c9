"""Listing what lies below a prefix in a bucket."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import ItemError
from core.outbound.s3.store import S3Store
from core.outbound.s3.uri import check_bucket, parse_s3_uri
from core.settings import Settings
from libraries.listing.entry import Entry, Page, SourceFailed
from libraries.listing.photo_keys import is_sidecar_key, takes_key


class S3PrefixListing:
    """See Listing. Photos are objects with a photo's extension.

    Skipped, and counted: keys that stand for folders, other objects, and what lies in hidden folders or in those of a
    NAS, a system or a program, as copies of disks have them.

    Args:
        prefix: s3://bucket/path/; keys are what comes behind it.
    """

    def __init__(self, store: S3Store, settings: Settings, prefix: str) -> None:
        self._store = store
        self._settings = settings
        self._prefix = prefix

    def pages(self, after: str = "") -> Iterator[Page]:
        """See Listing; a position is a key below the prefix.

        Raises:
            SourceFailed: `s3_uri_invalid`, `s3_not_found`, `s3_access_denied`, or another of
                core/outbound/s3/meanings.py.
        """
        try:
            bucket, prefix = parse_s3_uri(self._prefix, prefix=True)
            check_bucket(bucket, self._settings.s3_buckets)
            yield from self._pages(bucket, prefix, after)
        except ItemError as error:
            raise SourceFailed(error.code, error.message, permanent=error.permanent) from error

    def _pages(self, bucket: str, prefix: str, after: str) -> Iterator[Page]:
        start = len(prefix)
        for found in self._store.pages(bucket, prefix, prefix + after if after else ""):
            page = Page(position=found[-1].key[start:] if found else after)
            for one in found:
                key = one.key[start:]
                if takes_key(key):
                    page.entries.append(Entry(key, one.size, one.mtime, one.etag))
                    continue
                page.skipped += 1
                if is_sidecar_key(key):
                    page.sidecars.append(Entry(key, one.size, one.mtime, one.etag))
            after = page.position
            yield page
