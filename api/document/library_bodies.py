"""The JSON Schemas of what is sent about photo libraries.

They say of what form a body is; whether a folder is allowed, a cron expression comes true or a time zone exists is
found out when it arrives, and answered with a code of its own.
"""

from __future__ import annotations

from typing import Any, Final, get_args

from api.document.job_schema import medium_fields
from api.submission.library_requests import MAX_LIMIT
from core.artefacts.catalogue import Catalogue
from jobs.fields import MAX_NAME, NO_NUL
from libraries.library_fields import WhatName, WriteName
from libraries.xmp.label_checks import MAX_CAPTION, MAX_LABEL, MAX_LABELS

NEW_LIBRARY: Final = {"$ref": "#/components/schemas/NewLibrary"}
LIBRARY_PATCH: Final = {"$ref": "#/components/schemas/LibraryPatch"}


def _closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": False, "properties": properties, "required": list(required)}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _text(most: int, description: str = "") -> dict[str, Any]:
    return {"type": "string", "maxLength": most, "pattern": NO_NUL, "description": description}


SOURCE: Final = {
    "anyOf": [
        _closed({"s3_prefix": _text(2_048, "s3://bucket/path/")}, "s3_prefix"),
        _closed({"folder": _text(4_096, "An absolute path on the workers, below TAGLINE_FOLDERS.")}, "folder"),
        _closed({"manifest_url": _text(2_048, "http or https, of a list of URLs.")}, "manifest_url"),
        {"type": "null", "description": "A list is sent to `PUT /v1/libraries/ID/manifest`."},
    ]
}
SCHEDULE: Final = _closed(
    {
        "cron": _text(100, "Five fields, as crontab(5) has them."),
        "timezone": _or_null(_text(100, "IANA name, like Europe/Berlin; UTC unless given.")),
        "window": _or_null(_text(11, "HH:MM-HH:MM in that zone; outside of it a scheduled run pauses.")),
    },
    "cron",
)
RUN: Final = _closed(
    {
        "what": {"enum": [*get_args(WhatName), None], "default": "changed"},
        "dry_run": {"type": ["boolean", "null"], "description": "Only say what would be done."},
        "force": {"type": ["boolean", "null"], "description": "Believe a source that has shrunk by half or more."},
        "limit": {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_LIMIT, "description": "Photos to run."},
    }
)
_LABELS: Final = {
    "anyOf": [{"type": "array", "items": {**_text(MAX_LABEL), "minLength": 1}, "maxItems": MAX_LABELS},
              {"type": "null"}]
}  # fmt: skip
LABEL_EDITS: Final = _closed({"add": _LABELS, "remove": _LABELS})
CAPTION_EDIT: Final = _closed(
    {"text": _or_null({**_text(MAX_CAPTION, "Null gives it back to the model."), "minLength": 1})}, "text"
)


def library_schemas(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """The schema of a new library, and of what changes one: the same fields, none of them needed."""
    work = medium_fields("image", catalogue)
    fields = {
        "name": {**_text(MAX_NAME), "minLength": 1},
        "source": SOURCE,
        "tasks": work["tasks"],
        "options": _or_null(work["options"]),
        "models": _or_null(work["models"]),
        "schedule": _or_null(SCHEDULE),
        "webhook": work["webhook"],
        "write": {"enum": list(get_args(WriteName)), "default": "none"},
        "write_threshold": {"type": "number", "minimum": 0, "maximum": 1, "default": 0.5},
    }
    may_be_null = {name: _or_null(fields[name]) for name in ("write", "write_threshold")}
    return {
        "NewLibrary": {"title": "NewLibrary", **_closed({**fields, **may_be_null}, "name", "tasks")},
        "LibraryPatch": {"title": "LibraryPatch", **_closed(fields)},
    }
