"""Parameters and bodies that routes declare, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from api.document.job_schema import SECRET
from api.document.operations import Parameter
from api.submission.inputs import KIND_NAMES, LIMITS
from core.tasks import TASKS
from jobs.fields import MAX_NAME, NO_NUL


def _field(path: str) -> dict[str, Any]:
    """A reference into the schema of a submission's fields."""
    return {"$ref": f"#/components/schemas/JobFields/properties/{path}"}


JOB_SCHEMA: Final = {"$ref": "#/components/schemas/JobRequest"}
SUBMIT_TEXT = (
    "As one JSON document, or as a stream of any length whose job is described in the query: `application/x-ndjson` or "
    "`application/jsonl` (one input a line: a string or an object), `text/csv` (a header of id and one or more of "
    f"{KIND_NAMES}; semicolons or tabs will do) or `text/plain` (one input a line). A line that cannot be read "
    "refuses the whole submission and is named. An input that turns out to be unreachable or no image fails alone, "
    "later. With a JSON body the query fills in what the body leaves out; what the body says, too, must be valid in "
    "the query all the same. With `Prefer: wait=N` the answer comes when the job has finished, or after N seconds, at "
    "most 50, and shows the job as it is then."
)
SUBMIT_BODIES: Final[dict[str, dict[str, Any]]] = {
    "application/json": JOB_SCHEMA,
    "application/x-ndjson": {"type": "string"},
    "application/jsonl": {"type": "string"},
    "text/csv": {"type": "string"},
    "text/plain": {"type": "string"},
}
SUBMIT_QUERY: Final = (
    Parameter("tasks", _field("tasks"), "Comma separated; needed with the streamed bodies."),
    Parameter("priority", {"type": "string", "enum": ["interactive", "bulk"]}, "As in JSON."),
    Parameter("name", {"type": "string", "maxLength": MAX_NAME, "pattern": NO_NUL}, "As in JSON."),
    Parameter("reuse", {"type": "string", "enum": ["true", "false"]}, "As in JSON."),
    Parameter("webhook_url", _field("webhook/anyOf/0/properties/url"), "As webhook.url in JSON."),
    Parameter("webhook_secret", {"type": "string", "pattern": SECRET}, "With webhook_url."),
    Parameter("options", _field("options"), "As in JSON.", json=True),
    Parameter("models", _field("models"), "As in JSON.", json=True),
    Parameter("metadata", _field("metadata"), "As in JSON.", json=True),
)
PREDICT_QUERY: Final = (
    Parameter("task", {"type": "string", "enum": list(TASKS)}, "What to do."),
    Parameter("tasks", _field("tasks"), "For several: comma separated, all on photos or all on texts."),
    Parameter("model", {"type": "string", "minLength": 1}, "Of the one task; without it the default."),
    Parameter("models", _field("models"), "As in a job, for several tasks.", json=True),
    Parameter("options", _field("options"), "As in a job, by task.", json=True),
    Parameter("reuse", {"type": "string", "enum": ["true", "false"]}, "As in a job."),
)
ONE_INPUT: Final = tuple(
    Parameter(kind, {"type": "string", "minLength": int(kind != "text"), "maxLength": most, "pattern": NO_NUL}, told)
    for kind, most, told in (
        ("url", LIMITS["url"], "Of a photo; s3:// will do."),
        ("s3", LIMITS["s3"], "s3://bucket/key of a photo."),
        ("upload", LIMITS["upload"], "The id that POST /v1/uploads gave."),
        ("file", LIMITS["file"], "Absolute path of a photo on the workers, below a folder that the operator names."),
        ("text", LIMITS["text"], "The text itself; long ones are better sent by POST."),
    )
)
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "The same key and body get the first answer again (kept for a day), with `Idempotent-Replayed: true`.",
    "header",
)
PREFER: Final = Parameter("Prefer", {"type": "string"}, "`wait=N`, seconds (RFC 7240), at most 50.", "header")
IF_NONE_MATCH: Final = Parameter("If-None-Match", {"type": "string"}, "ETag of what you have.", "header")
LAST_EVENT_ID: Final = Parameter("Last-Event-ID", {"type": "string"}, "The last event you have seen.", "header")


BOM: Final = Parameter(
    "bom", {"type": "string", "enum": ["true", "false"]}, "CSV begins with a byte order mark, as Excel wants it."
)


def limit(most: int, default: int) -> Parameter:
    """The size of a page."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", schema, "Most entries of a page.")


def cursor(pattern: str) -> Parameter:
    """Where a page begins."""
    return Parameter("cursor", {"type": "string", "pattern": pattern}, "`next_cursor` of the page before.")


def state(names: Iterable[str]) -> Parameter:
    """A filter by state."""
    return Parameter("state", {"type": "string", "enum": [str(name) for name in names]}, "Only these.")
