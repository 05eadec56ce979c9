"""From a submission's fields to a NewJob: everything about a job that is checked before it is accepted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from api.http.errors import ManyErrors
from api.submission.strict_json import check_storable, check_text, escape
from api.v1.schemas import MAX_METADATA_BYTES, JobFields, JobRequest, WebhookRequest
from core.artefacts.catalogue import Catalogue
from core.errors import ArtefactError, ItemError, RequestError
from core.outbound.signing import check_secret
from core.outbound.url_policy import check_url
from core.states import Priority
from core.tasks import TASKS, Medium, TaskSpec

INTERACTIVE_UP_TO = 16  # inputs; more is bulk unless the job says otherwise
Fields = TypeVar("Fields", bound=JobFields)
TEXTS = {
    "extra_forbidden": "There is no field of this name here; see /openapi.json for those there are.",
    "model_type": "This must be an object.",
    "model_attributes_type": "This must be an object.",
    "dict_type": "This must be an object.",
    "list_type": "This must be a list.",
    "string_type": "This must be a string.",
    "missing": "This field is missing.",
}
CODES = {"extra_forbidden": "field_unknown", "missing": "field_missing"}


@dataclass(frozen=True, slots=True)
class Draft:
    """A submission that is in order, but for inputs still to be read."""

    tasks: tuple[str, ...]
    medium: Medium
    queue: str
    options: dict[str, dict[str, Any]]
    models: dict[str, str]
    priority: Priority | None
    name: str | None
    metadata: dict[str, Any]
    webhook_url: str | None
    webhook_secret: str | None

    def priority_for(self, inputs: int) -> Priority:
        """The priority asked for, or the usual one for so many inputs."""
        if self.priority is not None:
            return self.priority
        return Priority.INTERACTIVE if inputs <= INTERACTIVE_UP_TO else Priority.BULK


def read_request(raw: object) -> JobRequest:
    """A JSON submission's fields.

    Raises:
        RequestError: `field_invalid`, `field_unknown` or `field_missing`; a ManyErrors if there are several.
    """
    return _validated(JobRequest, raw)


def read_fields(raw: object) -> JobFields:
    """As `read_request`, for fields that came in the query."""
    return _validated(JobFields, raw)


def _validated(model: type[Fields], raw: object) -> Fields:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise ManyErrors([_field_error(dict(found)) for found in error.errors(include_url=False)]) from None


def _field_error(found: dict[str, Any]) -> RequestError:
    where = "".join(f"/{escape(str(part))[:100]}" for part in found["loc"])
    text = TEXTS.get(found["type"], f"{found['msg']}.")
    return RequestError(CODES.get(found["type"], "field_invalid"), text, where=where)


def make_draft(fields: JobFields, catalogue: Catalogue, warm: Sequence[str]) -> Draft:
    """Check what the fields mean.

    Args:
        fields: of the submission.
        catalogue: the models there are.
        warm: those that a live worker has warm; a job is not promised a version that nobody has run yet.

    Raises:
        RequestError: with a JSON pointer into the submission.
        ArtefactError: the model cannot be used.
    """
    specs = _tasks(fields.tasks)
    if fields.name is not None:
        check_text(fields.name, "/name")
    _check_metadata(fields.metadata)
    if fields.webhook is not None:
        _check_webhook(fields.webhook)
    return Draft(
        tasks=tuple(fields.tasks),
        medium=specs[0].medium,
        queue=specs[0].queue,
        options=_options(specs, fields.options),
        models=_models(specs, fields.models, catalogue, warm),
        priority=Priority[fields.priority.upper()] if fields.priority else None,
        name=fields.name,
        metadata=fields.metadata,
        webhook_url=fields.webhook.url if fields.webhook else None,
        webhook_secret=fields.webhook.secret if fields.webhook else None,
    )


def _tasks(names: list[str]) -> list[TaskSpec]:
    for place, name in enumerate(names):
        where = f"/tasks/{place}"
        if name not in TASKS:
            message = f"There is no task {name[:50]!r}; there is {', '.join(TASKS)}."
            raise RequestError("unknown_task", message, where=where)
        if name in names[:place]:
            raise RequestError("field_invalid", f"{name} stands twice.", where=where)
    specs = [TASKS[name] for name in names]
    if len({spec.medium for spec in specs}) > 1:
        shown = ", ".join(f"{spec.name} ({spec.medium})" for spec in specs)
        raise RequestError("tasks_mixed", f"Submit two jobs, one for each medium: {shown}.", where="/tasks")
    return specs


def _options(specs: list[TaskSpec], given: dict[str, Any]) -> dict[str, dict[str, Any]]:
    _only_asked_for(specs, given, "options")
    return {spec.name: spec.parse_options(given.get(spec.name, {}), f"/options/{spec.name}") for spec in specs}


def _models(specs: list[TaskSpec], given: dict[str, str], catalogue: Catalogue, warm: Sequence[str]) -> dict[str, str]:
    _only_asked_for(specs, given, "models")
    return {spec.name: _pin(spec.name, given.get(spec.name), catalogue, warm) for spec in specs}


def _pin(task: str, wanted: str | None, catalogue: Catalogue, warm: Sequence[str]) -> str:
    """NAME@VERSION of the model a task shall use: what is accepted today runs the same tomorrow."""
    where = f"/models/{task}"
    if wanted == "":
        raise RequestError("model_unknown", "Name a model, or leave the field out.", where=where)
    try:
        manifest = catalogue.resolve(task, wanted, warm).manifest
    except ArtefactError as error:
        if error.code not in ("model_unknown", "model_wrong_task"):
            raise
        raise RequestError(error.code, f"{error.message}; see GET /v1/models.", where=where) from None
    assert manifest is not None
    return manifest.id


def _only_asked_for(specs: list[TaskSpec], given: dict[str, Any], field: str) -> None:
    asked = {spec.name for spec in specs}
    for name in given:
        if name not in asked:
            where = f"/{field}/{escape(name)[:100]}"
            raise RequestError("field_unknown", f"{field} for a task that is not asked for.", where=where)


def _check_metadata(metadata: dict[str, Any]) -> None:
    check_storable(metadata, "/metadata")
    if len(json.dumps(metadata, ensure_ascii=False).encode()) > MAX_METADATA_BYTES:
        raise RequestError("field_invalid", f"At most {MAX_METADATA_BYTES:,} bytes of JSON.", where="/metadata")


def _check_webhook(webhook: WebhookRequest) -> None:
    try:
        check_url(webhook.url)
    except ItemError as error:
        raise RequestError("webhook_url_invalid", error.message, where="/webhook/url") from None
    if webhook.secret is not None:
        check_secret(webhook.secret)
