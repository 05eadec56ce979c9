"""Where thumbnails lie: beside the uploads, under the SHA-256 of the photo that each shows."""

from __future__ import annotations

from core.errors import TaglineError
from core.outbound.s3.store import S3Store
from core.outbound.s3.uri import parse_s3_uri
from core.settings import Settings
from core.storage.blobs import BlobMissing, Blobs, BucketBlobs, FolderBlobs

FOLDER = "thumbnails"
MAX_BYTES = 1 << 20  # far more than 320 pixels take
_HEAD = 8  # "RIFF" and the length of what follows


def open_thumbnail_store(settings: Settings) -> Blobs:
    """The folder "thumbnails" in the data folder, or below `uploads_url`. Nothing is synced: a thumbnail that a loss of
    power damages is told from a whole one (`read_thumbnail`) and made again when somebody looks.

    Raises:
        ItemError: `s3_uri_invalid`.
    """
    if not settings.uploads_url:
        return FolderBlobs(settings.data_dir / FOLDER, durable=False)
    bucket, prefix = parse_s3_uri(settings.uploads_url, prefix=True)
    return BucketBlobs(S3Store(settings), bucket, f"{prefix.strip('/')}/{FOLDER}", MAX_BYTES)


def read_thumbnail(store: Blobs, sha256: str) -> bytes | None:
    """A photo's thumbnail; None if there is none, or not a whole one.

    Raises:
        TaglineError: the store cannot be read now.
        OSError: likewise.
    """
    try:
        data = store.get(sha256)
    except BlobMissing:
        return None
    whole = data[:4] == b"RIFF" and len(data) == _HEAD + int.from_bytes(data[4:_HEAD], "little")
    return data if whole else None


STORE_FAILURES = (OSError, TaglineError)  # what using a store may raise
