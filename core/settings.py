"""Every setting, typed, in one place; the environment is read here and nowhere else.

Each is set by the environment variable TAGLINE_<NAME>; a secret also by TAGLINE_<NAME>_FILE, a path whose
content is the value (as container secrets are mounted). A blank one counts as not set. `.env.example` lists them all,
`core/settings_checks.py` says what they must look like.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from core import settings_checks as checks
from core.settings_checks import SettingsError
from core.settings_sources import misspelt, secrets_in_files

PREFIX = "TAGLINE_"
SECRETS = ("api_key", "database_url", "fetch_proxy", "redis_url", "session_secret", "webhook_secret")
MODELS_DIR = Path(__file__).resolve().parent.parent / "models"


class _FromEnvironment(BaseSettings):
    """Read from the environment; frozen."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _without_blanks(cls, values: dict[str, object]) -> dict[str, object]:
        given = {name: value.strip() if isinstance(value, str) else value for name, value in values.items()}
        return {name: value for name, value in given.items() if value != ""}

    @field_validator("*")
    @classmethod
    def _sensible(cls, value: Any, info: ValidationInfo) -> Any:
        return checks.sensible(info.field_name or "", value)


class Settings(_FromEnvironment):
    """The configuration of one process; frozen."""

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
    s3_requester_pays: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Buckets whose owner lets the reader pay, and whose charges you accept, comma separated."
    )

    folders: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Folders on the workers that file inputs may come from, absolute paths, comma separated."
    )

    sidecar_names: Literal["IMG_1.jpg.xmp", "IMG_1.xmp"] = Field(
        "IMG_1.jpg.xmp", description="What the sidecar of IMG_1.jpg is called."
    )

    # Who may do what
    api_key: str = Field("", description="First API key; empty: one is made and printed once.")
    webhook_secret: str = Field("", description="whsec_... that signs webhooks; empty: one is made per tenant.")
    webhook_secret_overlap_hours: float = Field(
        24.0, ge=0, description="How long the secret that another one replaces signs beside it."
    )
    session_secret: str = Field("", description="Signs the cookies of pages; empty: one is made and kept.")
    public_demo: bool = Field(False, description="Let strangers use the page Try alone, with small jobs.")
    allow_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="host:port, comma separated, reachable though their address is private."
    )

    # Fetching
    fetch_timeout_s: float = Field(30.0, gt=0, description="Total time of one fetch, redirects included.")
    fetch_connect_timeout_s: float = Field(5.0, gt=0, description="Time to connect, per hop.")
    fetch_max_bytes: int = Field(32 * 1024 * 1024, gt=0, description="Largest image in bytes, after decompression.")
    fetch_memory_bytes: int = Field(
        512 * 1024 * 1024, gt=0, description="Most bytes of undecoded images in one worker's memory."
    )
    fetch_max_redirects: int = Field(5, ge=0, description="Redirects followed for one fetch.")
    fetch_concurrency: int = Field(64, ge=1, description="Images of one worker that are fetched or wait for decoding.")
    fetch_per_host: int = Field(16, ge=1, description="Connections of one worker to one host.")
    fetch_per_host_rate: float = Field(
        0.0, ge=0, description="Requests for images a second of one worker to one host; 0: any number."
    )
    fetch_pause_max_s: float = Field(
        600.0, ge=0, description="Longest that an image waits for a host that asks for time (Retry-After)."
    )
    fetch_dead_after: int = Field(
        4, ge=1, description="Time-outs in a row after which a host is not asked again but for probes."
    )
    fetch_proxy: str = Field(
        "", description="http://host:port of a proxy for fetches and webhooks; it must refuse private addresses itself."
    )
    user_agent: str = Field(
        "", description="User-Agent of fetches and webhooks, maybe with a contact; empty: Tagline/VERSION."
    )

    # Images
    image_max_pixels: int = Field(100_000_000, gt=0, description="Largest image in pixels.")

    thumbnails: Literal["interactive", "all", "off"] = Field(
        "interactive", description="Thumbnails of interactive jobs' and libraries' photos, of all, or of none."
    )

    # The worker
    worker_name: str = Field("", description="Stable name of a worker; empty: host and process id.")
    worker_concurrency: int = Field(8, ge=1, description="Chunks that one worker decodes and infers at a time.")
    interactive_slots: int = Field(2, ge=1, description="More of them, kept for interactive jobs.")
    waiting_chunks: int = Field(64, ge=1, description="Bulk chunks of one worker that only wait for the network.")
    stall_timeout_s: float = Field(
        60.0, gt=0, description="A model batch that takes longer hangs: the worker restarts."
    )
    chunk_window: int = Field(16, ge=1, description="Images of one chunk that are fetched or wait for decoding.")
    decode_threads: int = Field(0, ge=0, description="Threads that decode images; 0: one per core.")
    batch_size: int = Field(16, ge=1, le=1024, description="Most images in one model batch.")
    runtime: Literal["auto", "openvino", "tensorflow", "onnx"] = Field(
        "auto",
        description="Who executes the models: openvino, tensorflow, onnx (what is exported for a card), or auto.",
    )
    precision: Literal["auto", "f32", "bf16", "int8", "f16"] = Field(
        "auto",
        description="What models compute in: f32, bf16, int8, f16 (on a card), or auto: what suits the processor. "
        "Those without it take f32.",
    )
    calibrate: bool = Field(True, description="Measure, when idle, how models run best here; used from the next start.")
    metrics_port: int = Field(0, ge=0, le=65535, description="Port of a worker's own /metrics; 0: none.")
    metrics_host: str = Field("0.0.0.0", description="Address that it listens on.")

    # Jobs
    chunk_size: int = Field(64, ge=1, le=1024, description="Photos claimed, stored and fenced together.")
    text_chunk_size: int = Field(1024, ge=1, le=4096, description="Texts claimed, stored and fenced together.")
    lease_s: float = Field(45.0, ge=1, description="How long a silent worker keeps its chunks.")
    max_attempts: int = Field(3, ge=1, description="Claims of a chunk before it is split to find a crashing item.")
    interactive_max_inputs: int = Field(1000, ge=1, description="Most inputs of a job that asks to be interactive.")
    max_inputs: int = Field(2_000_000, ge=1, description="Most inputs in one job.")
    max_json_bytes: int = Field(16 * 1024 * 1024, gt=0, description="Largest JSON request body; stream for more.")
    max_upload_bytes: int = Field(32 * 1024 * 1024, gt=0, description="Largest upload.")
    job_ttl_hours: float = Field(168.0, gt=0, description="A job not finished by then expires.")
    retention_days: float = Field(90.0, gt=0, description="Finished jobs and their results are kept this long.")

    # Photo libraries
    libraries_max: int = Field(100, ge=0, description="Libraries that one tenant may have.")
    library_max_photos: int = Field(2_000_000, ge=1, description="Most photos in one library.")
    library_forget_days: float = Field(
        30.0, ge=0, description="A photo that its source no longer lists is forgotten after so many days."
    )
    library_runs_days: float = Field(90.0, gt=0, description="Runs and what they changed are kept this long.")
    ledger_days: float = Field(90.0, gt=0, description="Outputs that no photo of a library shows are kept this long.")
    ledger_variants: Literal["alike", "apart"] = Field(
        "alike", description="What a model said in one precision will do for another (alike), or not (apart)."
    )

    # Uploads
    upload_retention_days: float = Field(
        90.0, gt=0, description="An upload that was not sent again and that no job needed for this long is removed."
    )
    upload_quota_bytes: int = Field(0, ge=0, description="What one tenant's uploads may take in all; 0: any number.")

    # The API
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins of web pages that may call the API, comma separated; * for any; empty: none."
    )
    public_url: str = Field("", description="Where clients reach the API, for absolute links; empty: relative links.")
    metrics_peers: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="host:port of processes whose metrics the API's /metrics shows too, comma separated."
    )
    web_threads: int = Field(32, ge=2, description="Threads that answer requests.")
    max_waiting: int = Field(
        4096, ge=1, description="Long polls and event streams at a time, one tenant's at most half; past it: 503."
    )

    # Webhooks
    webhook_timeout_s: float = Field(15.0, gt=0, description="Total time of one delivery attempt.")

    # Processes
    heartbeat_file: str = Field("", description="Touched every 5 s while a process works; for a supervisor.")

    # Logs
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level written.")
    log_format: Literal["json", "text"] = Field("json", description="One JSON object or one readable line each.")

    @field_validator(
        *("allow_hosts", "cors_origins", "folders", "metrics_peers", "s3_buckets", "s3_requester_pays"), mode="before"
    )
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("runtime", "precision", "ledger_variants", "thumbnails", "log_level", "log_format", mode="before")
    @classmethod
    def _lower(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    _urls = field_validator("public_url", "s3_endpoint_url")(checks.unless_empty(checks.http_url))
    _database_url = field_validator("database_url")(checks.unless_empty(checks.database_url))
    _redis_url = field_validator("redis_url")(checks.redis_url)
    _uploads_url = field_validator("uploads_url")(checks.unless_empty(checks.uploads_url))
    _buckets = field_validator("s3_buckets", "s3_requester_pays")(checks.buckets)
    _folders = field_validator("folders")(checks.folders)
    _places = field_validator("allow_hosts", "metrics_peers")(checks.places)
    _origins = field_validator("cors_origins")(checks.origins)
    _proxy = field_validator("fetch_proxy")(checks.unless_empty(checks.proxy))
    _user_agent = field_validator("user_agent")(checks.unless_empty(checks.header))
    _api_key = field_validator("api_key")(checks.unless_empty(checks.api_key))
    _webhook_secret = field_validator("webhook_secret")(checks.unless_empty(checks.webhook_secret))
    _session_secret = field_validator("session_secret")(checks.unless_empty(checks.session_secret))
    _worker_name = field_validator("worker_name")(checks.unless_empty(checks.worker_name))

    @field_validator("data_dir", "models_dir")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        return value.expanduser().absolute()

    @model_validator(mode="after")
    def _together(self) -> Self:
        slow = self.fetch_connect_timeout_s > self.fetch_timeout_s
        if slow and "fetch_connect_timeout_s" in self.model_fields_set:
            raise ValueError("TAGLINE_FETCH_CONNECT_TIMEOUT_S: write no more than TAGLINE_FETCH_TIMEOUT_S has")
        if self.s3_buckets and not set(self.s3_requester_pays) <= set(self.s3_buckets):
            raise ValueError("TAGLINE_S3_REQUESTER_PAYS: write only buckets that TAGLINE_S3_BUCKETS names, too")
        return self

    def chunk_of(self, medium: str) -> int:
        """Most inputs of a medium in a chunk."""
        return self.text_chunk_size if medium == "text" else self.chunk_size

    @property
    def sql_url(self) -> str:
        """The database URL with its default and its driver filled in."""
        url = self.database_url or f"sqlite:///{self.data_dir / 'tagline.db'}"
        for plain in ("postgres://", "postgresql://"):
            if url.startswith(plain):
                return "postgresql+psycopg://" + url[len(plain) :]
        return url


class ClientSettings(_FromEnvironment):
    """What a client of the API needs to know (`tagline submit` and its like); frozen."""

    url: str = Field("http://127.0.0.1:8000", description="The server that client commands talk to.")
    api_key: str = Field("", description="The key they send.")
    patience_s: float = Field(
        default=300.0, ge=0, description="Seconds they go on for without an answer; those that only ask, 90 at most."
    )

    _url = field_validator("url")(checks.http_url)
    _api_key = field_validator("api_key")(checks.unless_empty(checks.api_key))


S = TypeVar("S", Settings, ClientSettings)


def load_client_settings(**overrides: object) -> ClientSettings:
    """As `load_settings`, for clients."""
    return _load(ClientSettings, ("api_key",), overrides)


def load_settings(**overrides: object) -> Settings:
    """Settings from the environment; keyword arguments win over it.

    Raises:
        SettingsError: a variable has a wrong value, or a *_FILE cannot be read.
    """
    return _load(Settings, SECRETS, overrides)


def unknown_variables() -> list[str]:
    """A line for each variable of the environment that is called as if it were a setting and is none."""
    known = {PREFIX + name.upper() for name in (*Settings.model_fields, *ClientSettings.model_fields)}
    return misspelt(os.environ, PREFIX, known | {f"{PREFIX}{name.upper()}_FILE" for name in SECRETS})


def _load(kind: type[S], secrets: tuple[str, ...], overrides: dict[str, object]) -> S:
    in_files = secrets_in_files(os.environ, PREFIX, secrets)
    try:
        return kind(**{**in_files, **overrides})  # type: ignore[arg-type]
    except ValidationError as error:
        variables = {name: PREFIX + name.upper() + "_FILE" * (name in in_files) for name in kind.model_fields}
        defaults = {name: field.default for name, field in kind.model_fields.items()}
        raise SettingsError(checks.explain(error, variables, defaults)) from None
