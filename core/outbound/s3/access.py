"""How S3 is reached: credentials, endpoint and region as boto3 finds them, for boto3 itself and for obstore."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import boto3
from botocore import UNSIGNED
from botocore.config import Config
from obstore.store import S3Store as ObjectStore

from core.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

DEFAULT_REGION = "us-east-1"
_AWS_HOST = re.compile(r"https://[^/]*\.amazonaws\.com(\.cn)?/?")
_AWS_PLAIN = re.compile(r"https://s3(\.[a-z0-9-]+)?\.amazonaws\.com/?")  # obstore's own idea of where a region is
# Frozen credentials are asked for again this often; boto3 renews temporary ones 15 minutes before they expire.
_CREDENTIALS_TTL = timedelta(minutes=5)


class Access:
    """Clients by region and stores by bucket, each made on first use; may be used from many threads.

    Attributes:
        signed: whether there are credentials.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._stores: dict[tuple[str, str], ObjectStore] = {}  # by bucket and region
        self._clients: dict[str, S3Client] = {}  # by region; "" is our own
        self._regions: dict[str, str] = {}  # of buckets that are not in ours
        self._session: boto3.session.Session | None = None
        self.signed = True

    def payer(self, bucket: str) -> Any:
        """What boto3 needs to be told for a bucket whose charges are accepted."""
        return {"RequestPayer": "requester"} if bucket in self._settings.s3_requester_pays else {}

    def region(self, bucket: str) -> str:
        """Where a bucket is asked for."""
        return self.client(bucket).meta.region_name

    def move(self, bucket: str, region: str) -> None:
        """Ask for a bucket in another region from now on."""
        with self._lock:
            self._regions[bucket] = region

    def client(self, bucket: str = "") -> S3Client:
        """boto3's client for a bucket's region; made on first use, because finding credentials may ask the network."""
        with self._lock:
            region = self._regions.get(bucket, "")
            if region not in self._clients:
                self._clients[region] = self._connect(region)
            return self._clients[region]

    def objects(self, bucket: str) -> ObjectStore:
        """obstore's store for a bucket, with what boto3 found out."""
        client = self.client(bucket)
        place = bucket, client.meta.region_name
        with self._lock:
            if place not in self._stores:
                assert self._session is not None
                self._stores[place] = self._open(bucket, client, self._session)
            return self._stores[place]

    def _connect(self, region: str) -> S3Client:
        if self._session is None:
            session = boto3.session.Session()
            self.signed = session.get_credentials() is not None
            self._session = session
        client = self._make_client(self._session, region, None)
        if not _AWS_HOST.fullmatch(client.meta.endpoint_url):
            # Other servers seldom have a host name per bucket, as boto3 would assume.
            client = self._make_client(self._session, region, "path")
        client.meta.events.register_last("before-parameter-build.s3", _stay)
        return client

    def _make_client(self, session: boto3.session.Session, region: str, style: Literal["path"] | None) -> S3Client:
        config = Config(
            signature_version=None if self.signed else UNSIGNED,
            connect_timeout=self._settings.fetch_connect_timeout_s,
            read_timeout=self._settings.fetch_timeout_s,
            retries={"mode": "standard", "total_max_attempts": 3},
            s3={"addressing_style": style} if style else None,
        )
        return session.client(
            "s3",
            region_name=region or session.region_name or DEFAULT_REGION,
            endpoint_url=self._settings.s3_endpoint_url or None,
            config=config,
        )

    def _open(self, bucket: str, client: S3Client, session: boto3.session.Session) -> ObjectStore:
        options: dict[str, Any] = {"region": client.meta.region_name}
        endpoint = client.meta.endpoint_url
        if not _AWS_PLAIN.fullmatch(endpoint):
            # By this name: obstore reads the environment too, and AWS_ENDPOINT_URL_S3 would beat "endpoint".
            options |= {"aws_endpoint_url_s3": endpoint, "virtual_hosted_style_request": False}
        credentials = session.get_credentials()
        if credentials is None:
            options["skip_signature"] = True
        else:
            options["credential_provider"] = _provider(credentials)
        if bucket in self._settings.s3_requester_pays:
            options["request_payer"] = True
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


def _stay(context: dict[str, Any], **_: Any) -> None:
    """Keep boto3 from following to another region by itself: a server that names none would make it ask for ever."""
    context["s3_redirect"] = {**context.get("s3_redirect", {}), "redirected": True}


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
