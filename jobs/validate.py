"""From a job's fields to its plan: all checks but those of its inputs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from core.artefacts.catalogue import Catalogue
from core.errors import ItemError, RequestError
from core.outbound.signing import check_secret
from core.outbound.url_policy import check_url
from core.states import Priority
from core.tasks import TASKS, TaskSpec
from jobs.fields import MAX_METADATA_BYTES, JobFields, WebhookRequest
from jobs.pin import pin_models
from jobs.plan import JobPlan
from jobs.storable import check_storable, check_text, escape


def plan_job(
    fields: JobFields, catalogue: Catalogue, warm: Sequence[str], *, tenant_id: str, base_url: str = ""
) -> JobPlan:
    """Check the fields of a job and fill in their defaults.

    Args:
        fields: what is asked for.
        catalogue: the models there are.
        warm: those that a live worker has warm, see `pin_models`.
        tenant_id: whose job it will be.
        base_url: where its client reaches the API.

    Raises:
        RequestError: with a JSON pointer into the fields.
        ArtefactError: a model cannot be used.
    """
    specs = _tasks(fields.tasks)
    if fields.name is not None:
        check_text(fields.name, "/name")
    _check_metadata(fields.metadata)
    if fields.webhook is not None:
        _check_webhook(fields.webhook)
    _only_asked_for(specs, fields.models, "models")
    return JobPlan(
        tenant_id=tenant_id,
        tasks=tuple(fields.tasks),
        options=_options(specs, fields.options),
        models=pin_models(fields.tasks, fields.models, catalogue, warm),
        priority=Priority[fields.priority.upper()] if fields.priority else None,
        name=fields.name,
        reuse=fields.reuse,
        metadata=fields.metadata,
        webhook_url=fields.webhook.url if fields.webhook else None,
        webhook_secret=fields.webhook.secret if fields.webhook else None,
        base_url=base_url,
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
    given = {name: options for name, options in given.items() if options is not None}
    return {spec.name: spec.parse_options(given.get(spec.name, {}), f"/options/{spec.name}") for spec in specs}


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
