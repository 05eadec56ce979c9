"""Webhooks as their owner sees them: every attempt, sending again, and the secret that signs."""

from __future__ import annotations

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.operations import Answer, Operation, describe
from api.document.schemas import DeliveryList, DeliveryPage, DeliveryView, SecretView
from api.http.answers import answer
from api.http.auth import caller
from api.http.cursors import DELIVERIES, before_delivery, read_delivery_id
from api.http.queries import choice_parameter, int_parameter
from api.http.scopes import needs
from api.services import services
from api.v1.views import delivery_view, iso
from core.scopes import Scope
from core.states import DeliveryState
from db.jobs import find_job
from db.libraries import find_library
from db.outbox import list_deliveries, page_deliveries, redeliver
from db.webhook_secrets import previous_until_ms

blueprint = Blueprint("deliveries", __name__)


@blueprint.get("/v1/jobs/<id:job_id>/deliveries")
@describe(
    Operation(
        "List a job's webhooks and every attempt",
        "webhooks",
        {200: Answer("Oldest first.", DeliveryList)},
        problems=("job_not_found",),
    )
)
def index(job_id: str) -> Response:
    with services().database.read() as session:
        find_job(session, caller().tenant_id, job_id)
        found = list_deliveries(session, caller().tenant_id, job_id)
    return answer({"data": [delivery_view(delivery) for delivery in found]})


@blueprint.get("/v1/deliveries")
@describe(
    Operation(
        "List webhooks of all jobs and libraries, newest first",
        "webhooks",
        {200: Answer("A page.", DeliveryPage)},
        description="With `state=failed` those that were given up, with `state=pending` those to be tried again.",
        parameters=(parameters.limit(100, 20), parameters.cursor(DELIVERIES), parameters.state(tuple(DeliveryState))),
        problems=("parameter_invalid", "cursor_invalid"),
    )
)
def every() -> Response:
    return _page(100, 20)


@blueprint.get("/v1/libraries/<id:library_id>/deliveries")
@describe(
    Operation(
        "List a library's webhooks and every attempt, newest first",
        "webhooks",
        {200: Answer("A page.", DeliveryPage)},
        description="`POST /v1/deliveries/ID/redeliver` sends one again.",
        parameters=(parameters.limit(500, 50), parameters.cursor(DELIVERIES), parameters.state(tuple(DeliveryState))),
        problems=("library_not_found", "parameter_invalid", "cursor_invalid"),
    )
)
def of_library(library_id: str) -> Response:
    with services().database.read() as session:
        find_library(session, caller().tenant_id, library_id)
    return _page(500, 50, below=f"libraries/{library_id}/")


def _page(most: int, usual: int, below: str | None = None) -> Response:
    limit = int_parameter(request.args, "limit", 1, most, usual)
    state = choice_parameter(request.args, "state", tuple(DeliveryState))
    cursor = request.args.get("cursor")
    before = read_delivery_id(cursor) if cursor is not None else None
    with services().database.read() as session:
        tenant_id = caller().tenant_id
        found = page_deliveries(session, tenant_id, limit=limit + 1, before=before, state=state, below=below)
    views = [delivery_view(delivery) for delivery in found[:limit]]
    more = before_delivery(views[-1]["id"]) if len(found) > limit else None
    return answer({"data": views, "next_cursor": more})


@blueprint.post("/v1/deliveries/<id:delivery_id>/redeliver")
@describe(
    Operation(
        "Send a webhook again",
        "webhooks",
        {202: Answer("It will be sent now, with the whole schedule of retries before it.", DeliveryView)},
        problems=("delivery_not_found",),
    )
)
def again(delivery_id: str) -> Response:
    with services().database.write() as session:
        found = redeliver(session, caller().tenant_id, delivery_id)
    return answer(delivery_view(found), 202)


@blueprint.get("/v1/webhook-secret")
@needs(Scope.ADMIN)
@describe(
    Operation(
        "Read the secret that signs your webhooks",
        "webhooks",
        {200: Answer("To verify with, by Standard Webhooks; and until when the one before it signs.", SecretView)},
    )
)
def secret() -> Response:
    with services().database.read() as session:
        until = previous_until_ms(session, caller().tenant_id)
    view = {"secret": caller().webhook_secret, "previous_signs_until": None if until is None else iso(until)}
    return answer(view, Cache_Control="no-store")
