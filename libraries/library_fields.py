"""The fields of a library, its runs and its edits, as a request gives them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, StringConstraints

from jobs.fields import MAX_NAME, NO_NUL, Object, Request, WebhookRequest, absent

MAX_LABEL, MAX_EDITS, MAX_CAPTION = 100, 1_000, 2_000
WriteName = Literal["none", "sidecar"]
WhatName = Literal["changed", "failed", "all", "relabel"]
OwnLabel = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL, pattern=NO_NUL)]
Tasks = Annotated[list[str], Field(min_length=1, max_length=20, description="Image tasks, for every photo.")]
Models = Annotated[dict[str, str], BeforeValidator(absent)]


class ScheduleFields(Request):
    """When a library is run by itself."""

    cron: str = Field(max_length=100, description="Five fields, as crontab(5) has them.")
    timezone: str | None = Field(
        None, min_length=1, max_length=100, description="IANA name, like Europe/Berlin; UTC unless given."
    )
    window: str | None = Field(
        None, min_length=1, max_length=11, description="HH:MM-HH:MM in that zone: outside of it a scheduled run pauses."
    )


class SourceFields(Request):
    """Where the photos are: exactly one of these."""

    s3_prefix: str | None = Field(None, max_length=2_048, description="s3://bucket/path/")
    folder: str | None = Field(None, max_length=4_096, description="A path on the workers, below TAGLINE_FOLDERS.")
    manifest_url: str | None = Field(None, max_length=2_048, description="http or https, of a list of URLs.")


class LibraryFields(Request):
    """A new library."""

    name: str = Field(min_length=1, max_length=MAX_NAME, json_schema_extra={"pattern": NO_NUL})
    source: SourceFields | None = Field(None, description="Null: a manifest will be streamed to it.")
    tasks: Tasks
    options: Object = Field(default_factory=dict, description="Per task; see GET /v1/tasks.")
    models: Models = Field(default_factory=dict, description="Per task: NAME or NAME@VERSION.")
    schedule: ScheduleFields | None = None
    webhook: WebhookRequest | None = None
    write: WriteName = "none"
    write_threshold: float = Field(0.5, ge=0, le=1, description="Labels that score less are not written.")


class LibraryPatch(Request):
    """What to replace of a library; each field that is named is replaced whole."""

    name: str = Field("", min_length=1, max_length=MAX_NAME, json_schema_extra={"pattern": NO_NUL})
    source: SourceFields | None = None
    tasks: Tasks = Field(default_factory=list)
    options: Object = Field(default_factory=dict)
    models: Models = Field(default_factory=dict)
    schedule: ScheduleFields | None = None
    webhook: WebhookRequest | None = None
    write: WriteName = "none"
    write_threshold: float = Field(0.5, ge=0, le=1)

    def named(self) -> dict[str, Any]:
        """Those fields that the request names, as JSON has them."""
        return {name: value for name, value in self.model_dump().items() if name in self.model_fields_set}


class RunFields(Request):
    """A run that is started by hand."""

    what: WhatName = "changed"
    dry_run: bool = False
    force: bool = Field(False, description="Believe a source that lists fewer than half of the photos.")
    limit: int | None = Field(None, ge=1, description="Run at most so many photos.")


class LabelEdits(Request):
    """What a person says of a photo's labels."""

    add: list[OwnLabel] = Field(default_factory=list, max_length=MAX_EDITS)
    remove: list[OwnLabel] = Field(default_factory=list, max_length=MAX_EDITS)


class CaptionEdit(Request):
    """What a person calls a photo; null gives it back to the model."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=MAX_CAPTION, pattern=NO_NUL)] | None
