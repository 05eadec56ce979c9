"""Bytes kept under a SHA-256, in a folder or a bucket, whatever they are: uploads by their own, thumbnails by that of
the photo they show."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from core.outbound.s3.meanings import S3Error
from core.outbound.s3.store import S3Store

_SHA256 = re.compile(r"[0-9a-f]{64}")
SHELVES = tuple(f"{number:02x}" for number in range(256))  # by a name's first two letters


class BlobMissing(Exception):
    """There are no bytes of this name, or it is no SHA-256."""


class Blobs(Protocol):
    """May be used from many threads and processes. Failures come through as OSError, S3Error or ItemError."""

    def put(self, name: str, data: bytes) -> None:
        """Store bytes under a SHA-256 in hex; whoever reads gets all of them or none."""

    def get(self, name: str) -> bytes:
        """The bytes of a name.

        Raises:
            BlobMissing: there are none.
        """

    def has(self, name: str) -> bool:
        """Whether there are bytes of this name."""

    def delete(self, name: str) -> None:
        """Remove the bytes of a name; if there are none, nothing happens."""

    def names(self, shelf: str) -> Iterator[str]:
        """The names that begin with one of `SHELVES`, in any order."""


class FolderBlobs:
    """Bytes in a folder: ab/cd/abcd…

    Args:
        durable: what was put survives a loss of power. That costs a sync for each; then what is there already is not
            written again. Without it, what is there may be damaged, and is replaced.
    """

    def __init__(self, folder: Path, *, durable: bool = True) -> None:
        self._folder = folder
        self._durable = durable

    def put(self, name: str, data: bytes) -> None:
        """See Blobs."""
        path = self._folder / _path(name)
        if self._durable and path.exists():
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name[:8]}.{secrets.token_hex(8)}")
        try:
            with draft.open("xb") as file:
                file.write(data)
                if self._durable:
                    file.flush()
                    os.fsync(file.fileno())  # the answer to the caller says that it is stored
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def get(self, name: str) -> bytes:
        """See Blobs."""
        try:
            return (self._folder / _path(name)).read_bytes()
        except FileNotFoundError:
            raise BlobMissing(name) from None

    def has(self, name: str) -> bool:
        """See Blobs."""
        return (self._folder / _path(name)).exists()

    def delete(self, name: str) -> None:
        """See Blobs."""
        (self._folder / _path(name)).unlink(missing_ok=True)

    def names(self, shelf: str) -> Iterator[str]:
        """See Blobs."""
        return (path.name for path in (self._folder / shelf).glob("*/*") if _SHA256.fullmatch(path.name))


class BucketBlobs:
    """Bytes below a prefix in a bucket."""

    def __init__(self, store: S3Store, bucket: str, prefix: str, max_bytes: int) -> None:
        self._store = store
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._max_bytes = max_bytes

    def put(self, name: str, data: bytes) -> None:
        """See Blobs."""
        self._store.put(self._bucket, self._key(name), data)

    def get(self, name: str) -> bytes:
        """See Blobs."""
        try:
            return self._store.get(self._bucket, self._key(name), self._max_bytes)
        except S3Error as error:
            if error.code == "s3_not_found" and error.shown != "NoSuchBucket":
                raise BlobMissing(name) from None
            raise

    def has(self, name: str) -> bool:
        """See Blobs."""
        return any(self._store.list(self._bucket, self._key(name)))

    def delete(self, name: str) -> None:
        """See Blobs."""
        self._store.delete(self._bucket, self._key(name))

    def names(self, shelf: str) -> Iterator[str]:
        """See Blobs."""
        keys = self._store.list(self._bucket, f"{self._prefix}/{shelf}/".lstrip("/"))
        return (name for key in keys if _SHA256.fullmatch(name := key.rpartition("/")[2]))

    def _key(self, name: str) -> str:
        return f"{self._prefix}/{_path(name)}".lstrip("/")


def _path(name: str) -> str:
    """Two levels of folders keep each one small. Anything but a SHA-256 is not a name here."""
    if not _SHA256.fullmatch(name):
        raise BlobMissing(name)
    return f"{name[:2]}/{name[2:4]}/{name}"
