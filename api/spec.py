"""Parameters and bodies that routes declare, for the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from api.operations import Parameter
from api.schemas import MAX_NAME, MAX_WEBHOOK_URL

JOB_SCHEMA: Final = {"$ref": "#/components/schemas/JobRequest"}
SUBMIT_TEXT = (
    "As one JSON document, or as a stream of any length whose job is described in the query: "
    "`application/x-ndjson` (one input a line: a string or an object), `text/csv` (a header of id and one or more of "
    "url, s3, upload, text) or `text/plain` (one input a line). A line that cannot be read refuses the whole "
    "submission and is named. An input that turns out to be unreachable or no image fails alone, later. "
    "A JSON body takes no query parameters."
)
SUBMIT_BODIES: Final[dict[str, dict[str, Any]]] = {
    "application/json": JOB_SCHEMA,
    "application/x-ndjson": {"type": "string"},
    "text/csv": {"type": "string"},
    "text/plain": {"type": "string"},
}
_WORD = {"type": "string", "minLength": 1}
_JSON = {"type": "string", "contentMediaType": "application/json"}
SUBMIT_QUERY: Final = (
    Parameter("tasks", _WORD, "Comma separated; needed with the streamed bodies."),
    Parameter("priority", {"type": "string", "enum": ["interactive", "bulk"]}, "As in JSON."),
    Parameter("name", {"type": "string", "maxLength": MAX_NAME}, "As in JSON."),
    Parameter("webhook_url", {"type": "string", "maxLength": MAX_WEBHOOK_URL}, "As webhook.url in JSON."),
    Parameter("webhook_secret", {"type": "string"}, "As webhook.secret in JSON."),
    Parameter("options", _JSON, "A JSON object, as in JSON."),
    Parameter("models", _JSON, "A JSON object, as in JSON."),
    Parameter("metadata", _JSON, "A JSON object, as in JSON."),
)
IDEMPOTENCY_KEY: Final = Parameter(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[!-~]{1,255}$"},
    "The same key and body get the first answer again (kept for a day), with `Idempotent-Replayed: true`.",
    "header",
)
PREFER: Final = Parameter("Prefer", {"type": "string"}, "`wait=N`, seconds (RFC 7240).", "header")
IF_NONE_MATCH: Final = Parameter("If-None-Match", {"type": "string"}, "ETag of what you have.", "header")
LAST_EVENT_ID: Final = Parameter("Last-Event-ID", {"type": "string"}, "The last event you have seen.", "header")
CURSOR: Final = Parameter("cursor", {"type": "string"}, "`next_cursor` of the page before.")


def limit(most: int, default: int) -> Parameter:
    """The size of a page."""
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", schema, "Most entries of a page.")


def state(names: Iterable[str]) -> Parameter:
    """A filter by state."""
    return Parameter("state", {"type": "string", "enum": [str(name) for name in names]}, "Only these.")
