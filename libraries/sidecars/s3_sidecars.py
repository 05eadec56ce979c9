"""Sidecars in buckets. S3 shows an object whole or not at all; conditions keep us from writing over another's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import ItemError
from core.outbound.s3.meanings import S3Error
from core.outbound.s3.store import S3Store
from core.outbound.s3.uri import check_bucket, parse_s3_uri
from core.settings import Settings
from libraries.sidecars.sidecar_names import sidecar_names
from libraries.sidecars.sidecar_place import Stood, changed
from libraries.xmp.packet import MAX_BYTES, SidecarError

_MEDIA_TYPE = "application/rdf+xml"
_CODES = {"fetch_too_large": "sidecar_too_large", "s3_access_denied": "sidecar_forbidden"}


class S3Sidecars:
    """See SidecarPlace.

    Args:
        prefix: of the library, s3://bucket/path/.
    """

    def __init__(self, store: S3Store, settings: Settings, prefix: str) -> None:
        self._store = store
        self._settings = settings
        self._bucket, self._prefix = parse_s3_uri(prefix, prefix=True)

    def read(self, photo: str) -> Stood:
        """See SidecarPlace."""
        name = sidecar_names(photo, self._settings)[0]
        with self._explained():
            try:
                data, etag = self._store.get_small(self._bucket, self._prefix + name, MAX_BYTES)
            except S3Error as error:
                if error.code != "s3_not_found" or error.shown == "NoSuchBucket":
                    raise
                return Stood(name, None, None)
        return Stood(name, data, etag)

    def write(self, photo: str, data: bytes, stood: Stood) -> str:
        """See SidecarPlace."""
        with self._explained():
            return self._store.put_small(self._bucket, self._prefix + stood.name, data, _MEDIA_TYPE, stood.stamp)

    def remove(self, photo: str, stood: Stood) -> None:
        """See SidecarPlace. Between the look and the removal another program may write, which S3 cannot prevent."""
        with self._explained():
            if self._store.etag(self._bucket, self._prefix + stood.name) != stood.stamp:
                raise changed()
            self._store.delete(self._bucket, self._prefix + stood.name)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            check_bucket(self._bucket, self._settings.s3_buckets)
            yield
        except ItemError as error:
            if error.code == "s3_changed":
                raise changed() from error
            code = _CODES.get(error.code, error.code)
            raise SidecarError(code, f"the sidecar: {error.message}", permanent=error.permanent) from error
