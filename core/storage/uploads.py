"""Where uploaded files lie: by the SHA-256 of their content, so that the same file is stored once."""

from __future__ import annotations

import hashlib
from pathlib import Path

from core.errors import ItemError, TaglineError
from core.outbound.s3.meanings import S3Error
from core.outbound.s3.store import S3Store
from core.outbound.s3.uri import parse_s3_uri
from core.settings import Settings
from core.storage.blobs import BlobMissing, Blobs, BucketBlobs, FolderBlobs


class UploadStore:
    """Content-addressed bytes; may be used from many threads and processes."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    def put(self, data: bytes) -> str:
        """Store `data`, durably, and return its SHA-256 in hex. Storing it again changes nothing.

        Raises:
            TaglineError: `storage_unavailable`.
        """
        sha256 = hashlib.sha256(data).hexdigest()
        try:
            self._blobs.put(sha256, data)
        except OSError as error:
            raise _unavailable(error.strerror or type(error).__name__) from error
        except S3Error as error:
            raise _unavailable(error.shown) from error
        return sha256

    def get(self, sha256: str) -> bytes:
        """The bytes with this SHA-256.

        Raises:
            ItemError: `upload_not_found`, or why the store cannot be read now. Where it lies is not told: it is no
                business of whoever uploaded it.
        """
        try:
            return self._blobs.get(sha256)
        except BlobMissing:
            raise ItemError("upload_not_found", "this upload does not exist or has been deleted") from None
        except S3Error as error:
            # Never permanent: the bucket is the operator's own, and so is whatever is wrong with it.
            raise ItemError(error.code, f"the upload {error.what}", permanent=False) from error

    def has(self, sha256: str) -> bool:
        """Whether there are bytes with this SHA-256; in a bucket also raises what S3Store.list raises."""
        return self._blobs.has(sha256)

    def delete(self, sha256: str) -> None:
        """Remove the bytes with this SHA-256; if there are none, nothing happens. Raises as `has`."""
        self._blobs.delete(sha256)


class FolderUploads(UploadStore):
    """Uploads in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(FolderBlobs(folder))


class BucketUploads(UploadStore):
    """Uploads below a prefix in a bucket."""

    def __init__(self, store: S3Store, bucket: str, prefix: str, max_bytes: int) -> None:
        super().__init__(BucketBlobs(store, bucket, prefix, max_bytes))


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


def _unavailable(why: str) -> TaglineError:
    return TaglineError("storage_unavailable", f"Uploads cannot be stored at present ({why}); try again later.")
