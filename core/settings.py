"""Every setting, typed, in one place; the environment is read here and nowhere else.

Each is set by the environment variable TAGLINE_<NAME>; a secret also by TAGLINE_<NAME>_FILE, a path whose
content is the value (as container secrets are mounted). `.env.example` lists them all.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

SECRETS = ("api_key", "database_url", "redis_url", "webhook_secret")
MODELS_DIR = Path(__file__).resolve().parent.parent / "models"


class Settings(BaseSettings):
    """The configuration of one process; frozen."""

    model_config = SettingsConfigDict(env_prefix="TAGLINE_", frozen=True, extra="ignore")

    # Where things are
    data_dir: Path = Field(Path("tagline-data"), description="Folder of the embedded database, queue and uploads.")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in the data folder.")
    redis_url: str = Field("redis://127.0.0.1:6379/0", description="Redis or Valkey: the doorbell.")
    models_dir: Path = Field(MODELS_DIR, description="Folder of model artefacts.")
    uploads_url: str = Field("", description="s3://bucket/prefix for uploads; empty: the data folder.")
    s3_endpoint_url: str = Field("", description="S3 server other than AWS, for s3:// inputs and uploads.")

    s3_buckets: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Buckets that s3:// inputs may come from, comma separated; empty: all the credentials can read."
    )

    # Who may do what
    api_key: str = Field("", description="First API key; empty: one is made and printed once.")
    webhook_secret: str = Field("", description="whsec_... that signs webhooks; empty: one is made per tenant.")
    allow_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="host:port, comma separated, reachable though their address is private."
    )

    # Fetching
    fetch_timeout_s: float = Field(30.0, gt=0, description="Total time of one fetch, redirects included.")
    fetch_connect_timeout_s: float = Field(5.0, gt=0, description="Time to connect, per hop.")
    fetch_max_bytes: int = Field(32 * 1024 * 1024, gt=0, description="Largest image in bytes, after decompression.")
    fetch_max_redirects: int = Field(5, ge=0, description="Redirects followed for one fetch.")
    fetch_concurrency: int = Field(64, ge=1, description="Images of one worker that are fetched or wait for decoding.")
    fetch_per_host: int = Field(16, ge=1, description="Connections of one worker to one host.")

    # Images
    image_max_pixels: int = Field(100_000_000, gt=0, description="Largest image in pixels.")

    # The worker
    worker_name: str = Field("", description="Stable name of a worker; empty: host and process id.")
    worker_concurrency: int = Field(8, ge=1, description="Chunks one worker has in hand at a time.")
    chunk_window: int = Field(16, ge=1, description="Images of one chunk that are fetched or wait for decoding.")
    decode_threads: int = Field(0, ge=0, description="Threads that decode images; 0: one per core.")
    batch_size: int = Field(16, ge=1, le=1024, description="Most images in one model batch.")
    runtime: Literal["auto", "openvino", "tensorflow"] = Field("auto", description="Who executes the models.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of a worker's own /metrics; 0: none.")

    # Jobs
    chunk_size: int = Field(64, ge=1, le=1024, description="Items claimed, stored and fenced together.")
    lease_s: float = Field(45.0, gt=0, description="How long a silent worker keeps its chunks.")
    max_attempts: int = Field(3, ge=1, description="Claims of a chunk before it is split to find a crashing item.")
    max_inputs: int = Field(2_000_000, ge=1, description="Most inputs in one job.")
    max_json_bytes: int = Field(16 * 1024 * 1024, gt=0, description="Largest JSON request body; stream for more.")
    max_upload_bytes: int = Field(32 * 1024 * 1024, gt=0, description="Largest upload.")
    job_ttl_hours: float = Field(168.0, gt=0, description="A job not finished by then expires.")
    retention_days: float = Field(90.0, gt=0, description="Finished jobs and their results are kept this long.")

    # Uploads
    upload_retention_days: float = Field(
        90.0, gt=0, description="An upload that was not sent again and that no job needed for this long is removed."
    )
    upload_quota_bytes: int = Field(0, ge=0, description="What one tenant's uploads may take in all; 0: any number.")

    # The API
    public_url: str = Field("", description="Where clients reach the API, for absolute links; empty: relative links.")
    web_threads: int = Field(32, ge=2, description="Threads that answer requests.")
    max_waiting: int = Field(20, ge=1, description="Long polls and event streams at a time; past it: 503.")

    # Webhooks
    webhook_timeout_s: float = Field(15.0, gt=0, description="Total time of one delivery attempt.")

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level written.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object or one readable line each.")

    @field_validator("allow_hosts", "s3_buckets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("public_url")
    @classmethod
    def _no_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @field_validator("data_dir", "models_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @property
    def sql_url(self) -> str:
        """The database URL with its default and its driver filled in."""
        url = self.database_url or f"sqlite:///{self.data_dir / 'tagline.db'}"
        for plain in ("postgres://", "postgresql://"):
            if url.startswith(plain):
                return "postgresql+psycopg://" + url[len(plain) :]
        return url


class ClientSettings(BaseSettings):
    """What a client of the API needs to know (`tagline submit` and its like); frozen."""

    model_config = SettingsConfigDict(env_prefix="TAGLINE_", frozen=True, extra="ignore")

    url: str = Field("http://127.0.0.1:8000", description="The server that client commands talk to.")
    api_key: str = Field("", description="The key they send.")


def load_client_settings(**overrides: object) -> ClientSettings:
    """As `load_settings`, for clients."""
    return ClientSettings(**{**_from_files(("api_key",)), **overrides})  # type: ignore[arg-type]


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; keyword arguments win over it.

    Raises:
        ValueError: a variable has a wrong value, or a *_FILE cannot be read.
    """
    return Settings(**{**_from_files(SECRETS), **overrides})  # type: ignore[arg-type]


def _from_files(names: tuple[str, ...]) -> dict[str, object]:
    """The secrets that lie in files."""
    values: dict[str, object] = {}
    for name in names:
        path = os.environ.get(f"TAGLINE_{name.upper()}_FILE")
        if path:
            try:
                values[name] = Path(path).read_text().strip()
            except OSError as error:
                raise ValueError(f"TAGLINE_{name.upper()}_FILE: cannot read {path}: {error.strerror}") from error
    return values
