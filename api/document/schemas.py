"""What answers look like; the OpenAPI document is made from these models."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.submission.key_requests import ScopeName
from jobs.fields import PriorityName

UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"

JobStateName = Literal["queued", "running", "completed", "failed", "cancelled", "expired"]
ItemStateName = Literal["succeeded", "failed", "cancelled"]
Time = Annotated[str, Field(description="ISO 8601, UTC.", json_schema_extra={"format": "date-time"})]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Counts(_Answer):
    total: int
    pending: int
    succeeded: int
    failed: int
    cancelled: int


class Links(_Answer):
    self: str
    results: str
    events: str
    cancel: str
    retry: str
    deliveries: str


class WebhookView(_Answer):
    url: str


class JobView(_Answer):
    """A job."""

    id: str = Field(pattern=UUID)
    state: JobStateName
    tasks: list[str]
    options: dict[str, Any]
    models: dict[str, str] = Field(description="Per task, the model that was pinned: NAME@VERSION.")
    priority: PriorityName
    name: str | None
    reuse: bool = Field(description="Photos whose bytes are known are not run again.")
    metadata: dict[str, Any]
    webhook: WebhookView | None
    counts: Counts
    progress: float = Field(ge=0, le=1, description="The share of items that are accounted for.")
    eta_seconds: float | None = Field(
        description="How long it will take: at its own recent pace, or by what is ahead of it and the rates measured "
        "for such work. Null when nothing has been measured."
    )
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    expires_at: Time = Field(description="A job not finished by then is given up.")
    links: Links


class JobPage(_Answer):
    data: list[JobView]
    next_cursor: str | None


class ItemErrorView(_Answer):
    code: str
    message: str
    permanent: bool = Field(description="Trying the same input again is pointless.")


class ResultView(_Answer):
    """What became of one input."""

    id: str = Field(description="Your id, or the seq as text.")
    seq: int
    state: ItemStateName
    input: dict[str, str]
    outputs: dict[str, Any] | None = Field(description="By task.")
    media: dict[str, Any] | None = Field(description="sha256, width, height and bytes of an image.")
    error: ItemErrorView | None


class ResultPage(_Answer):
    data: list[ResultView]
    next_cursor: str | None


class UploadView(_Answer):
    """An upload; name its id as an input's `upload`."""

    id: str = Field(pattern=UUID)
    sha256: str
    bytes: int
    width: int
    height: int


class TaskView(_Answer):
    name: str
    medium: Literal["image", "text"]
    summary: str
    options: dict[str, Any] = Field(description="JSON Schema of the task's options.")
    default_model: str | None = Field(description="What a job is promised now unless it names another.")
    models: list[str] = Field(description="NAME@VERSION of all that do it; of each name the newest first.")


class TaskList(_Answer):
    data: list[TaskView]


class MetricView(_Answer):
    name: str
    value: float
    source: str
    low: float | None = Field(description="Lower end of the 95 % confidence interval, where it was measured.")
    high: float | None


class VariantView(_Answer):
    """A model in another precision."""

    name: Literal["f32", "bf16", "int8"]
    running: bool = Field(description="A live worker runs it.")
    default_on: list[str] = Field(description="Features of processors, one of which makes it the default.")
    metrics: list[MetricView] = Field(description="What was measured of it; of f32 it is the model's `metrics`.")


class SetupView(_Answer):
    """How live workers run a model of which that is measured."""

    variant: str
    batch_size: int = Field(description="Most photos in a batch.")
    streams: int = Field(description="Batches at a time.")
    chosen: Literal["default", "measured", "pinned"] = Field(
        description="By default, by measuring on the worker's machine, or (the variant) by a setting."
    )


class ModelView(_Answer):
    id: str = Field(description="NAME@VERSION.")
    name: str
    version: str
    task: str
    kind: str
    summary: str
    default: bool = Field(description="Used for its task unless a job names another.")
    warm: bool = Field(description="A live worker has it loaded.")
    encoders: dict[str, str] = Field(description="NAME@VERSION of the models that it stands on.")
    settings: dict[str, Any] = Field(description="What its kind has set, such as a captioner's `most_words`.")
    label_count: int
    metrics: list[MetricView]
    variants: list[VariantView] = Field(
        description="f32 first. A result's `variant` says which it is from, its encoder's included."
    )
    setups: list[SetupView] = Field(
        description="How live workers run it, each way once; of photo encoders, and of what reads them in variants."
    )
    licence: str
    source: str
    bytes: int


class LabelView(_Answer):
    key: str
    name: str


class ModelDetail(ModelView):
    labels: list[LabelView]


class BrokenModel(_Answer):
    folder: str
    code: str
    reason: str


class ModelList(_Answer):
    data: list[ModelView]
    broken: list[BrokenModel]


class AttemptView(_Answer):
    at: Time
    status: int | None
    error: dict[str, Any] | None
    duration_s: float


class DeliveryView(_Answer):
    """A webhook and every attempt to send it."""

    id: str = Field(pattern=UUID)
    job_id: str | None
    subject: str = Field(description="What it tells of, as a path below /v1.")
    url: str
    event: str
    state: Literal["pending", "sending", "delivered", "failed"]
    created_at: Time
    next_attempt_at: Time | None
    attempts: list[AttemptView]


class DeliveryList(_Answer):
    data: list[DeliveryView]


class DeliveryPage(DeliveryList):
    next_cursor: str | None


class SecretView(_Answer):
    secret: str
    previous_signs_until: Time | None


class KeyView(_Answer):
    """An API key, without the key."""

    id: str = Field(description="The first twelve digits of the key's SHA-256.")
    name: str
    scope: ScopeName
    created_at: Time
    revoked_at: Time | None


class NewKeyView(KeyView):
    key: str = Field(description="Send it as `Authorization: Bearer KEY`; it cannot be read again.")


class KeyList(_Answer):
    data: list[KeyView]


class Health(_Answer):
    status: Literal["ok"]


class Readiness(_Answer):
    status: Literal["ready", "not ready"]
    checks: dict[str, str]


class ProblemView(BaseModel):
    """RFC 9457; docs/errors.md lists the codes."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    where: str | None = None
    errors: list[dict[str, Any]] | None = None
    permanent: bool | None = Field(None, description="Of an input that failed: whether the same will fail again.")
    hint: str | None = Field(None, description="Of an input that failed: what to do.")
    request_id: str | None = None
