"""What answers about photo libraries look like; see `api.document.schemas`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.document.schemas import UUID, Time, WebhookView
from libraries.library_fields import WhatName, WriteName

Id = Annotated[str, Field(pattern=UUID)]
PhotoId = Annotated[str, Field(pattern="^[0-9]+$")]
RunStateName = Literal[
    "queued", "listing", "running", "paused", "completed", "failed", "cancelled", "source_failed", "source_shrunk"
]
PhotoStateName = Literal["present", "failed", "missing"]
By = Literal["model", "person"]


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ScheduleView(_Answer):
    cron: str
    timezone: str | None
    window: str | None


class LibraryView(_Answer):
    """A library."""

    id: Id
    name: str
    source: dict[str, Any] | None = Field(description="As it was given; `manifest` for a list that was sent here.")
    tasks: list[str]
    options: dict[str, Any]
    models: dict[str, str]
    schedule: ScheduleView | None
    webhook: WebhookView | None
    write: WriteName
    write_threshold: float
    next_run_at: Time | None = Field(description="When the schedule starts the next run.")
    created_at: Time
    updated_at: Time
    links: dict[str, str]


class LibraryPage(_Answer):
    data: list[LibraryView]
    next_cursor: str | None


class RunCounts(_Answer):
    """Every listed photo is counted once among new, changed, moved, unchanged, stale and retried."""

    listed: int
    skipped: int = Field(description="Met in the source, and no photos.")
    new: int
    changed: int
    moved: int
    unchanged: int
    gone: int = Field(description="Known, and no longer listed.")
    stale: int = Field(description="Made with another model, or other options, than are asked for now.")
    retried: int
    ran: int = Field(description="Their pixels went through a model in this run.")
    reused: int = Field(description="Their outputs were known by their bytes.")
    succeeded: int
    failed: int


class RunLabels(_Answer):
    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]


class ProblemOf(_Answer):
    code: str
    message: str


class RunView(_Answer):
    """A run of a library."""

    id: Id
    library_id: Id
    what: WhatName
    dry_run: bool
    force: bool
    limit: int | None
    scheduled_for: Time | None = Field(description="The night that it is for; null: it was started by hand.")
    state: RunStateName
    counts: RunCounts
    labels: RunLabels = Field(description="Those that came and went most.")
    models: dict[str, str] = Field(description="Per task, what was pinned: NAME@VERSION.")
    created_at: Time
    started_at: Time | None
    finished_at: Time | None
    undone_at: Time | None
    error: ProblemOf | None
    links: dict[str, str]


class RunPage(_Answer):
    data: list[RunView]
    next_cursor: str | None


class ReceiptView(_Answer):
    """What a finished run vouches for."""

    run_id: Id
    library_id: Id
    sha256: str | None = Field(description="Of its outcomes, sorted by key; null if it did not complete.")
    what: WhatName
    dry_run: bool
    state: RunStateName
    counts: RunCounts
    models: dict[str, str]
    started_at: Time | None
    finished_at: Time | None


class CaptionDiff(_Answer):
    before: str | None
    after: str | None


class ChangeView(_Answer):
    """What became of one photo in a run."""

    photo_id: PhotoId | None
    key: str
    kind: str
    outcome: str | None
    added: list[str]
    removed: list[str]
    kept: list[str]
    caption: CaptionDiff
    why: str | None
    error: dict[str, Any] | None


class ChangePage(_Answer):
    data: list[ChangeView]
    next_cursor: str | None


class PhotoLabelView(_Answer):
    label: str
    score: float | None = Field(description="Null: a person gave it.")
    by: By


class PhotoCaptionView(_Answer):
    text: str
    score: float | None
    by: By


class PhotoView(_Answer):
    """A photo of a library, as it stands."""

    id: PhotoId
    key: str = Field(description="Its path or key below the source; of a manifest its id or URL.")
    state: PhotoStateName
    sha256: str | None
    width: int | None
    height: int | None
    labels: list[PhotoLabelView] = Field(description="A person's first, then the best first.")
    caption: PhotoCaptionView | None
    error: dict[str, Any] | None = Field(description="Why its last try failed.")
    sidecar_error: dict[str, Any] | None = Field(description="Why its sidecar could not be read or written.")
    run_id: str | None = Field(description="The last run that did anything about it.")
    updated_at: Time


class PhotoPage(_Answer):
    data: list[PhotoView]
    next_cursor: str | None


class FoundPhoto(PhotoView):
    score: float = Field(description="How sure the tagger is that the words are true of it.")


class FoundPage(_Answer):
    data: list[FoundPhoto]
    next_cursor: str | None


class LabelCount(_Answer):
    label: str
    count: int


class LabelCountPage(_Answer):
    data: list[LabelCount]
    next_cursor: str | None
