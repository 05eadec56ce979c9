"""Reading, writing and listing objects. Only the files of this room know boto3 and obstore.

boto3 finds the credentials, the region and the endpoint as every AWS tool does, and lists; obstore moves the
bytes, at a fraction of boto3's CPU time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import obstore
from botocore.exceptions import ClientError

from core.errors import ItemError
from core.outbound.s3.access import Access
from core.outbound.s3.codings import decode
from core.outbound.s3.meanings import S3Error, changed, is_elsewhere, knows_no_condition, refusal
from core.outbound.s3.reasons import ERRORS, Reason, reason_of
from core.settings import Settings

T = TypeVar("T")
# obstore tidies keys up like paths, so that it would read another object, or none: boto3 takes them as they are.
_UNTIDY = re.compile(r"(?:^|/)(?:\.{0,2})(?:/|$)")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object in a listing.

    Attributes:
        mtime: when it was written, in microseconds since 1970-01-01 UTC. None, as of the others: S3 does not say.
    """

    key: str
    size: int | None
    etag: str | None
    mtime: int | None


class S3Store:
    """Reads, writes and lists objects; may be used from many threads.

    A bucket that turns out to be in another region is asked there, and remembered.

    Args:
        settings: reads s3_endpoint_url, s3_requester_pays, fetch_timeout_s and fetch_connect_timeout_s. A read takes
            at most one and a half times fetch_timeout_s, repetitions included; twice that if the region was wrong.
    """

    def __init__(self, settings: Settings) -> None:
        self._access = Access(settings)

    def get(self, bucket: str, key: str, max_bytes: int, version: str | None = None) -> bytes:
        """An object's bytes; its size is looked at before they are read. What is stored compressed is unpacked.

        Args:
            max_bytes: before and after unpacking.
            version: None is the newest.

        Raises:
            S3Error: as core/outbound/s3/meanings.py lists them.
            ItemError: `fetch_too_large`.
        """
        name = f"s3://{bucket}/{key}" + (f"?versionId={version}" if version else "")

        def read() -> tuple[bytes, str]:
            if not _UNTIDY.search(key):
                options: Any = {"version": version} if version else {}
                result = obstore.get(self._access.objects(bucket), key, options=options)
                _check_size(result.meta["size"], max_bytes, name)
                return bytes(result.bytes()), str(result.attributes.get("Content-Encoding", ""))
            more: Any = {"VersionId": version} if version else {}
            more |= self._access.payer(bucket)
            answer = self._access.client(bucket).get_object(Bucket=bucket, Key=key, **more)
            with answer["Body"] as body:
                _check_size(answer["ContentLength"], max_bytes, name)
                return body.read(), answer.get("ContentEncoding", "")

        data, coding = self._asking(bucket, name, read, versioned=version is not None)
        try:
            return decode(data, coding, max_bytes)
        except OverflowError:
            raise ItemError("fetch_too_large", f"{name} unpacks to more than {max_bytes} bytes") from None

    def put(self, bucket: str, key: str, data: bytes) -> None:
        """Write an object, over an older one if there is one.

        Raises:
            S3Error: as for `get`.
        """

        def write() -> None:
            if _UNTIDY.search(key):
                self._access.client(bucket).put_object(Bucket=bucket, Key=key, Body=data, **self._access.payer(bucket))
            else:
                obstore.put(self._access.objects(bucket), key, data)

        self._asking(bucket, f"s3://{bucket}/{key}", write)

    def get_small(self, bucket: str, key: str, max_bytes: int) -> tuple[bytes, str]:
        """An object's bytes as they are stored, and their ETag.

        Raises:
            S3Error: as for `get`.
            ItemError: `fetch_too_large`.
        """
        name = f"s3://{bucket}/{key}"

        def read() -> tuple[bytes, str]:
            answer = self._access.client(bucket).get_object(Bucket=bucket, Key=key, **self._access.payer(bucket))
            with answer["Body"] as body:
                _check_size(answer["ContentLength"], max_bytes, name)
                return body.read(), answer["ETag"]

        return self._asking(bucket, name, read)

    def put_small(self, bucket: str, key: str, data: bytes, media_type: str, over: str | None) -> str:
        """Write an object if the one that is there has an ETag, or if there is none; returns the new ETag.

        Args:
            over: that ETag; None: there must be none. A server that knows no such condition is asked beforehand, and
                what another writes in between is lost; one that passes over conditions in silence cannot be told apart.

        Raises:
            S3Error: as for `get`; `s3_changed` if something else is there.
        """
        name = f"s3://{bucket}/{key}"
        given: Any = {"Bucket": bucket, "Key": key, "Body": data, "ContentType": media_type}
        given |= self._access.payer(bucket)
        condition: Any = {"IfNoneMatch": "*"} if over is None else {"IfMatch": over}

        def write(**more: Any) -> str:
            return self._access.client(bucket).put_object(**given, **more)["ETag"]

        try:
            return self._asking(bucket, name, lambda: write(**condition))
        except S3Error as error:
            if over is not None and error.shown == "NoSuchKey":  # what was to be written over is gone
                raise changed(name) from error
            if not knows_no_condition(error):
                raise
        if self.etag(bucket, key) != over:
            raise changed(name)
        return self._asking(bucket, name, write)

    def etag(self, bucket: str, key: str) -> str | None:
        """The ETag of an object; None: there is none.

        Raises:
            S3Error: as for `get`.
        """

        def look() -> str:
            return self._access.client(bucket).head_object(Bucket=bucket, Key=key, **self._access.payer(bucket))["ETag"]

        try:
            return self._asking(bucket, f"s3://{bucket}/{key}", look)
        except S3Error as error:
            if error.code == "s3_not_found" and error.shown != "NoSuchBucket":
                return None
            raise

    def delete(self, bucket: str, key: str) -> None:
        """Remove an object; if there is none, nothing happens.

        Raises:
            S3Error: as for `get`.
        """
        where = f"s3://{bucket}/{key}"
        self._asking(bucket, where, lambda: self._access.client(bucket).delete_object(Bucket=bucket, Key=key))

    def list(self, bucket: str, prefix: str) -> Iterator[str]:
        """The keys that begin with `prefix`, in S3's order, page by page; without the keys that stand for folders.

        Raises:
            S3Error: as for `get`, while iterating.
        """
        for page in self.pages(bucket, prefix):
            yield from (one.key for one in page if not one.key.endswith("/"))

    def pages(self, bucket: str, prefix: str, after: str = "") -> Iterator[Sequence[StoredObject]]:
        """What lies under keys that begin with `prefix`, as S3 tells it: up to 1,000 at a time.

        By boto3: obstore tidies keys up like paths, so that some would be missing and others stand for two.

        Args:
            after: only what comes behind this key in the server's order: of bytes at AWS, of folders at some others.

        Raises:
            S3Error: as for `get`, while iterating.
        """
        asked: Any = {"Bucket": bucket, "Prefix": prefix, **self._access.payer(bucket)}
        if after:
            asked["StartAfter"] = after

        def ask() -> Any:
            return self._access.client(bucket).list_objects_v2(**asked)

        while True:
            page = self._asking(bucket, f"s3://{bucket}/{prefix}", ask)
            yield [_stored(entry) for entry in page.get("Contents", ())]
            if not page.get("NextContinuationToken"):
                return
            asked["ContinuationToken"] = page["NextContinuationToken"]

    def _asking(self, bucket: str, name: str, do: Callable[[], T], *, versioned: bool = False) -> T:
        """What `do` returns; done again if it was done in the wrong region."""

        def refuse(reason: Reason) -> S3Error:
            return refusal(reason, name, versioned=versioned, signed=self._access.signed)

        asked_in = ""
        try:
            asked_in = self._access.region(bucket)
            return do()
        except ERRORS as error:
            reason = reason_of(error)
            if not is_elsewhere(reason):
                raise refuse(reason) from error
        try:
            region = reason.region or self._region_of(bucket)
            if region in ("", asked_in):
                raise refuse(reason)
            self._access.move(bucket, region)
            return do()
        except ERRORS as error:
            raise refuse(reason_of(error)) from error

    def _region_of(self, bucket: str) -> str:
        """Where a bucket is: S3 tells even those who may not read it. Empty if it does not."""
        try:
            answer = self._access.client().head_bucket(Bucket=bucket)
        except ClientError as error:
            return reason_of(error).region
        return answer["ResponseMetadata"]["HTTPHeaders"].get("x-amz-bucket-region", "")


def _stored(entry: Any) -> StoredObject:
    changed = entry.get("LastModified")  # of other servers' answers, only the key is sure
    mtime = None if changed is None else round(changed.timestamp() * 1_000_000)
    return StoredObject(entry["Key"], entry.get("Size"), entry.get("ETag"), mtime)


def _check_size(size: int, max_bytes: int, name: str) -> None:
    if size > max_bytes:
        raise ItemError("fetch_too_large", f"{name} has {size} bytes; {max_bytes} are allowed")
