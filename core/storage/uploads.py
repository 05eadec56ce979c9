"""Where uploaded files lie: by the SHA-256 of their content, so that the same file is stored once."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path
from typing import Protocol

from core.errors import ItemError, TaglineError
from core.outbound.s3.meanings import S3Error
from core.outbound.s3.store import S3Store
from core.outbound.s3.uri import parse_s3_uri
from core.settings import Settings

_SHA256 = re.compile(r"[0-9a-f]{64}")


class UploadStore(Protocol):
    """Content-addressed bytes; may be used from many threads and processes."""

    def put(self, data: bytes) -> str:
        """Store `data`, durably, and return its SHA-256 in hex. Storing it again changes nothing.

        Raises:
            TaglineError: `storage_unavailable`.
        """

    def get(self, sha256: str) -> bytes:
        """The bytes with this SHA-256.

        Raises:
            ItemError: `upload_not_found`, or why the store cannot be read now. Where it lies is not told: it is no
                business of whoever uploaded it.
        """

    def has(self, sha256: str) -> bool:
        """Whether there are bytes with this SHA-256."""

    def delete(self, sha256: str) -> None:
        """Remove the bytes with this SHA-256; if there are none, nothing happens."""


class FolderUploads:
    """Uploads in a folder: ab/cd/abcd…"""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, data: bytes) -> str:
        """See UploadStore."""
        sha256 = hashlib.sha256(data).hexdigest()
        path = self._folder / _name(sha256)
        try:
            if not path.exists():
                self._write(path, data)
        except OSError as error:
            raise _unavailable(error.strerror or type(error).__name__) from error
        return sha256

    def _write(self, path: Path, data: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name[:8]}.{secrets.token_hex(8)}")
        try:
            with draft.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())  # the answer to the caller says that it is stored
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)

    def get(self, sha256: str) -> bytes:
        """See UploadStore."""
        try:
            return (self._folder / _name(sha256)).read_bytes()
        except FileNotFoundError:
            raise _missing() from None

    def has(self, sha256: str) -> bool:
        """See UploadStore."""
        return (self._folder / _name(sha256)).exists()

    def delete(self, sha256: str) -> None:
        """See UploadStore."""
        (self._folder / _name(sha256)).unlink(missing_ok=True)


class BucketUploads:
    """Uploads below a prefix in a bucket."""

    def __init__(self, store: S3Store, bucket: str, prefix: str, max_bytes: int) -> None:
        self._store = store
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._max_bytes = max_bytes

    def put(self, data: bytes) -> str:
        """See UploadStore."""
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            self._store.put(self._bucket, self._key(sha256), data)
        except S3Error as error:
            raise _unavailable(error.shown) from error
        return sha256

    def get(self, sha256: str) -> bytes:
        """See UploadStore."""
        try:
            return self._store.get(self._bucket, self._key(sha256), self._max_bytes)
        except S3Error as error:
            if error.code == "s3_not_found" and error.shown != "NoSuchBucket":
                raise _missing() from None
            # Never permanent: the bucket is the operator's own, and so is whatever is wrong with it.
            raise ItemError(error.code, f"the upload {error.what}", permanent=False) from error

    def has(self, sha256: str) -> bool:
        """See UploadStore; also raises what S3Store.list raises."""
        return any(self._store.list(self._bucket, self._key(sha256)))

    def delete(self, sha256: str) -> None:
        """See UploadStore; also raises what S3Store.delete raises."""
        self._store.delete(self._bucket, self._key(sha256))

    def _key(self, sha256: str) -> str:
        return f"{self._prefix}/{_name(sha256)}".lstrip("/")


def open_upload_store(settings: Settings) -> UploadStore:
    """The store that `uploads_url` names, or the folder "uploads" in the data folder.

    Raises:
        ItemError: `s3_uri_invalid`.
    """
    if not settings.uploads_url:
        return FolderUploads(settings.data_dir / "uploads")
    bucket, prefix = parse_s3_uri(settings.uploads_url, prefix=True)
    # An upload accepted under an earlier, larger limit can still be read while it fits the one for images.
    return BucketUploads(S3Store(settings), bucket, prefix, max(settings.max_upload_bytes, settings.fetch_max_bytes))


def _name(sha256: str) -> str:
    """Two levels of folders keep each one small. Anything but a SHA-256 is not a name here."""
    if not _SHA256.fullmatch(sha256):
        raise _missing()
    return f"{sha256[:2]}/{sha256[2:4]}/{sha256}"


def _unavailable(why: str) -> TaglineError:
    return TaglineError("storage_unavailable", f"Uploads cannot be stored at present ({why}); try again later.")


def _missing() -> ItemError:
    return ItemError("upload_not_found", "this upload does not exist or has been deleted")
