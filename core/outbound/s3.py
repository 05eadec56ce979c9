"""Objects in S3 and in what speaks its language. The only file that knows boto3 and obstore.

boto3 finds the credentials, the region and the endpoint as every AWS tool does, and lists; obstore moves the
bytes, at a fraction of boto3's CPU time.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import boto3
import obstore
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from obstore import exceptions as refusals
from obstore.store import S3Store as ObjectStore

from core.errors import ItemError
from core.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_REGION = "us-east-1"
MAX_KEY_BYTES = 1024  # of S3 itself
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_AWS_HOST = re.compile(r"https://[^/]*\.amazonaws\.com(\.cn)?/?")
# obstore tidies keys up like paths, so that it would read another object, or none: boto3 takes them as they are.
_UNTIDY = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)")
# Frozen credentials are asked for again this often; boto3 renews temporary ones 15 minutes before they expire.
_CREDENTIALS_TTL = timedelta(minutes=5)
_DENIED = frozenset({"403", "401", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})
_MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NotFound"})
_INVALID = frozenset({"400", "InvalidRequest", "InvalidBucketName", "InvalidURI", "KeyTooLongError"})


def parse_s3_uri(uri: str, *, prefix: bool = False) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`. The key is taken as it stands: nothing is percent-decoded.

    Args:
        prefix: the key may be empty or missing.

    Raises:
        ItemError: `s3_uri_invalid`; permanent.
    """
    scheme, found, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if not found or scheme.lower() != "s3":
        raise ItemError("s3_uri_invalid", "an S3 URI looks like s3://bucket/key")
    if not _BUCKET.fullmatch(bucket) or ".." in bucket:
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


class S3Store:
    """Reads, writes and lists objects; may be used from many threads.

    Args:
        settings: reads s3_endpoint_url, fetch_timeout_s and fetch_connect_timeout_s. A read takes at most one
            and a half times fetch_timeout_s, repetitions included.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._stores: dict[str, ObjectStore] = {}
        self._boto: S3Client | None = None
        self._session: boto3.session.Session | None = None

    def get(self, bucket: str, key: str, max_bytes: int) -> bytes:
        """An object's bytes; its size is looked at before they are read.

        Raises:
            ItemError: `s3_not_found`, `s3_access_denied`, `fetch_too_large`, `s3_unavailable` (not permanent).
        """
        try:
            if _UNTIDY.search(key):
                answer = self._client().get_object(Bucket=bucket, Key=key)
                with answer["Body"] as body:
                    _check_size(answer["ContentLength"], max_bytes, bucket, key)
                    return body.read()
            result = obstore.get(self._store(bucket), key)
            _check_size(result.meta["size"], max_bytes, bucket, key)
            return bytes(result.bytes())
        except (refusals.BaseError, BotoCoreError, ClientError, OSError) as error:
            raise _item_error(error, bucket, key) from error

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object, over an older one if there is one.

        Raises:
            ItemError: as for `get`.
        """
        try:
            if _UNTIDY.search(key):
                self._client().put_object(Bucket=bucket, Key=key, Body=data)
            else:
                obstore.put(self._store(bucket), key, data)
        except (refusals.BaseError, BotoCoreError, ClientError, OSError) as error:
            raise _item_error(error, bucket, key) from error

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; if there is none, nothing happens.

        Raises:
            ItemError: as for `get`.
        """
        try:
            self._client().delete_object(Bucket=bucket, Key=key)
        except (BotoCoreError, ClientError) as error:
            raise _item_error(error, bucket, key) from error

    def list(self, bucket: str, prefix: str) -> Iterator[str]:
        """The keys that begin with `prefix`, in S3's order, page by page; without the keys that stand for folders.

        Raises:
            ItemError: as for `get`, while iterating.
        """
        try:
            pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
            for page in pages:
                for entry in page.get("Contents", ()):
                    if not entry["Key"].endswith("/"):
                        yield entry["Key"]
        except (BotoCoreError, ClientError) as error:
            raise _item_error(error, bucket, prefix) from error

    def _client(self) -> S3Client:
        """boto3's client; made on first use, because finding credentials may ask the network."""
        with self._lock:
            if self._boto is None:
                self._session = boto3.session.Session()
                self._boto = self._make_client(self._session, None)
                if not _AWS_HOST.fullmatch(self._boto.meta.endpoint_url):
                    # Other servers seldom have a host name per bucket, as boto3 would assume.
                    self._boto = self._make_client(self._session, "path")
            return self._boto

    def _make_client(self, session: boto3.session.Session, style: Literal["path"] | None) -> S3Client:
        signed = session.get_credentials() is not None
        config = Config(
            signature_version=None if signed else UNSIGNED,
            connect_timeout=self._settings.fetch_connect_timeout_s,
            read_timeout=self._settings.fetch_timeout_s,
            retries={"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": style} if style else None,
        )
        return session.client(
            "s3",
            region_name=session.region_name or DEFAULT_REGION,
            endpoint_url=self._settings.s3_endpoint_url or None,
            config=config,
        )

    def _store(self, bucket: str) -> ObjectStore:
        """obstore's store for a bucket, with what boto3 found out."""
        client = self._client()
        with self._lock:
            if bucket not in self._stores:
                assert self._session is not None
                self._stores[bucket] = self._open(bucket, client, self._session)
            return self._stores[bucket]

    def _open(self, bucket: str, client: S3Client, session: boto3.session.Session) -> ObjectStore:
        options: dict[str, Any] = {"region": client.meta.region_name}
        endpoint = client.meta.endpoint_url
        if not _AWS_HOST.fullmatch(endpoint):
            # By this name: obstore reads the environment too, and AWS_ENDPOINT_URL_S3 would beat "endpoint".
            options |= {"aws_endpoint_url_s3": endpoint, "virtual_hosted_style_request": False}
        credentials = session.get_credentials()
        if credentials is None:
            options["skip_signature"] = True
        else:
            options["credential_provider"] = _provider(credentials)
        timeout_s = self._settings.fetch_timeout_s
        return ObjectStore(
            bucket,
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "timeout": timedelta(seconds=timeout_s),
                "connect_timeout": timedelta(seconds=self._settings.fetch_connect_timeout_s),
            },
            retry_config={"max_retries": 2, "retry_timeout": timedelta(seconds=timeout_s / 2)},
            **options,
        )


def _provider(credentials: Any) -> Any:
    """A function that hands boto3's credentials, renewed where they are temporary, to obstore."""

    def provide() -> dict[str, Any]:
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + _CREDENTIALS_TTL,
        }

    return provide


def _check_size(size: int, max_bytes: int, bucket: str, key: str) -> None:
    if size > max_bytes:
        raise ItemError("fetch_too_large", f"s3://{bucket}/{key} has {size} bytes; {max_bytes} are allowed")


def _item_error(error: Exception, bucket: str, key: str) -> ItemError:
    """What boto3, obstore or the connection says, in our words; theirs name internals."""
    name = f"s3://{bucket}/{key}"
    code = str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
    if isinstance(error, refusals.NotFoundError | FileNotFoundError) or code in _MISSING:
        return ItemError("s3_not_found", f"{name} does not exist")
    if isinstance(error, refusals.PermissionDeniedError | refusals.UnauthenticatedError) or code in _DENIED:
        return ItemError("s3_access_denied", f"{name} may not be read with this service's credentials")
    if isinstance(error, refusals.InvalidPathError) or code in _INVALID:
        return ItemError("s3_uri_invalid", f"{name} is not a key that can be read")
    return ItemError("s3_unavailable", f"{name} could not be reached: {type(error).__name__}", permanent=False)
