"""What one can do to a job: stop it, run what failed again, remove it, send its webhook again."""

from __future__ import annotations

from contextlib import suppress

from flask import Response

from api.http.auth import caller
from api.pages.frame.page import PageBlueprint, page, see_other
from api.pages.jobs.job_shown import shown_job
from api.services import services
from core.errors import Conflict, NotFound
from db import jobs
from db.outbox import list_deliveries, redeliver
from jobs.cancelling import cancel_job
from jobs.orders import take_orders

blueprint = PageBlueprint("job_actions")


@blueprint.post("/jobs/<id:job_id>/cancel")
def cancel(job_id: str) -> Response:
    with suppress(Conflict):  # it has finished meanwhile, as the page will show
        cancel_job(services().database, caller().tenant_id, job_id)
    return see_other(f"/jobs/{job_id}")


@blueprint.post("/jobs/<id:job_id>/retry")
def retry(job_id: str) -> Response:
    # Somebody else has pressed the button first: the page will show it.
    with suppress(Conflict), take_orders(services().database, services().doorbell, services().settings) as orders:
        orders.retry(caller().tenant_id, job_id)
    return see_other(f"/jobs/{job_id}")


@blueprint.get("/jobs/<id:job_id>/delete")
def ask(job_id: str) -> Response:
    """Whether it is meant: this cannot be undone."""
    with services().database.read() as session:
        job = shown_job(jobs.find_job(session, caller().tenant_id, job_id))
    return page("jobs/delete.html", job=job)


@blueprint.post("/jobs/<id:job_id>/delete")
def delete(job_id: str) -> Response:
    with services().database.write() as session:
        jobs.delete_job(session, caller().tenant_id, job_id)
    return see_other("/jobs")


@blueprint.post("/jobs/<id:job_id>/deliveries/<id:delivery_id>/resend")
def resend(job_id: str, delivery_id: str) -> Response:
    tenant_id = caller().tenant_id
    with services().database.write() as session:
        jobs.find_job(session, tenant_id, job_id)
        if delivery_id not in {one["id"] for one in list_deliveries(session, tenant_id, job_id)}:
            raise NotFound("delivery_not_found", f"There is no delivery {delivery_id} of this job.")
        redeliver(session, tenant_id, delivery_id)
    return see_other(f"/jobs/{job_id}#webhook")
