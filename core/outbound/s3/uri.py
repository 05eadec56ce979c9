"""What an S3 URI names: a bucket, an object, and perhaps one version of it."""

from __future__ import annotations

import re
from collections.abc import Collection

from core.errors import ItemError

MAX_KEY_BYTES = 1024  # of S3 itself
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_VERSION = re.compile(r"(?P<key>.+)\?versionId=(?P<version>[A-Za-z0-9._~+/=-]{1,1024})", re.ASCII | re.DOTALL)


def is_bucket_name(name: str) -> bool:
    """Whether S3 could have a bucket of this name; what passes cannot become part of another host."""
    return _BUCKET.fullmatch(name) is not None and ".." not in name


def parse_s3_uri(uri: str, *, prefix: bool = False) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`, the scheme in any case, spaces before it ignored.

    The key is taken as it stands, spaces at its end included: nothing is percent-decoded.

    Args:
        prefix: the key may be empty or missing.

    Raises:
        ItemError: `s3_uri_invalid`; permanent.
    """
    scheme, found, rest = uri.lstrip(" ").partition("://")
    bucket, _, key = rest.partition("/")
    if not found or scheme.lower() != "s3":
        raise ItemError("s3_uri_invalid", "an S3 URI looks like s3://bucket/key")
    if not is_bucket_name(bucket):
        raise ItemError("s3_uri_invalid", "this S3 URI has no valid bucket name")
    try:
        size = len(key.encode("utf-8"))
    except UnicodeEncodeError:
        size = MAX_KEY_BYTES + 1
    if size > MAX_KEY_BYTES or any(ord(character) < 32 for character in key):
        raise ItemError("s3_uri_invalid", f"an S3 key is at most {MAX_KEY_BYTES} bytes without control characters")
    if not key and not prefix:
        raise ItemError("s3_uri_invalid", "this S3 URI names a bucket but no object")
    return bucket, key


def check_bucket(bucket: str, allowed: Collection[str]) -> None:
    """Refuse a bucket that the operator has not named.

    Args:
        allowed: of TAGLINE_S3_BUCKETS; empty: all that the service's credentials can read.

    Raises:
        ItemError: `s3_access_denied`; permanent.
    """
    if allowed and bucket not in allowed:
        raise ItemError("s3_access_denied", f"inputs may not come from the bucket {bucket} (TAGLINE_S3_BUCKETS)")


def split_version(key: str) -> tuple[str, str | None]:
    """Key and version of `key?versionId=VERSION`, the way that other tools write it; None is the newest."""
    match = _VERSION.fullmatch(key)
    return (match["key"], match["version"]) if match else (key, None)
