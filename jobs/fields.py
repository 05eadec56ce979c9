"""The fields of a job, as a request of HTTP or our own scheduler gives them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from core.errors import ManyErrors, RequestError
from jobs.storable import escape

MAX_NAME, MAX_METADATA_BYTES, MAX_WEBHOOK_URL = 200, 16_384, 2048
NO_NUL = r"^[^\u0000]*$"
PriorityName = Literal["interactive", "bulk"]
Fields = TypeVar("Fields", bound="Request")
MESSAGES = {
    "extra_forbidden": "There is no field of this name here; see /openapi.json for those there are.",
    "model_type": "This must be an object.",
    "model_attributes_type": "This must be an object.",
    "dict_type": "This must be an object.",
    "list_type": "This must be a list.",
    "string_type": "This must be a string.",
    "missing": "This field is missing.",
}
CODES = {"extra_forbidden": "field_unknown", "missing": "field_missing"}


class Request(BaseModel):
    """Base of what a request gives: unknown names are an error, and nothing is guessed from other types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def absent(value: object) -> object:
    """null is the same as leaving a field out: serializers of many languages write it for that."""
    return {} if value is None else value


Object = Annotated[dict[str, Any], BeforeValidator(absent)]


class WebhookRequest(Request):
    """Where to send a signed message when the job has finished."""

    url: str = Field(min_length=1, max_length=MAX_WEBHOOK_URL, description="http or https.")
    secret: str | None = Field(
        None, max_length=200, description="whsec_...; without it the account's secret signs (GET /v1/webhook-secret)."
    )


class JobFields(Request):
    """A job without its inputs, which arrive in one of several ways."""

    tasks: list[str] = Field(min_length=1, max_length=20, description="What to do with every input.")
    options: Object = Field(default_factory=dict, description="Per task; see GET /v1/tasks.")
    models: Annotated[dict[str, str], BeforeValidator(absent)] = Field(
        default_factory=dict, description="Per task: NAME or NAME@VERSION."
    )
    webhook: WebhookRequest | None = None
    priority: PriorityName | None = Field(None, description="Default: interactive up to 16 inputs, bulk above.")
    name: str | None = Field(None, max_length=MAX_NAME, json_schema_extra={"pattern": NO_NUL})
    reuse: bool = Field(
        False, description="Photos whose bytes the ledger knows are not run again, and new outputs go there."
    )
    metadata: Object = Field(default_factory=dict, description="Yours, given back; up to 16 KB of JSON.")


def read_fields(model: type[Fields], raw: object) -> Fields:
    """Fields of the form of `model`, from what JSON holds.

    Raises:
        RequestError: `field_invalid`, `field_unknown` or `field_missing`; a ManyErrors if there are several.
    """
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ManyErrors([_field_error(dict(found)) for found in error.errors(include_url=False)]) from None


def _field_error(found: dict[str, Any]) -> RequestError:
    where = "".join(f"/{escape(str(part))[:100]}" for part in found["loc"])
    text = MESSAGES.get(found["type"], f"{found['msg']}.")
    return RequestError(CODES.get(found["type"], "field_invalid"), text, where=where)
