"""Webhooks as their owner sees them: every attempt, sending again, and the secret that signs."""

from __future__ import annotations

from flask import Blueprint, Response

from api.document.operations import Answer, Operation, describe
from api.document.schemas import DeliveryList, DeliveryView, SecretView
from api.http.answers import answer
from api.http.auth import caller
from api.services import services
from api.v1.views import delivery_view, iso
from db.jobs import find_job
from db.outbox import list_deliveries, redeliver
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
