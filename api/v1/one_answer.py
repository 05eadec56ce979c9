"""Asking about one input and waiting for its result, for `/v1/predict` and for pages."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from flask import Response

from api.services import services
from api.submission.one_input import order_one
from api.v1.job_changes import park_for_job
from core.errors import NotFound
from core.inputs import InputItem
from core.states import ItemState, JobState
from db import jobs
from db.engine import Unavailable
from db.results import Row, page_results
from db.tables import Job
from jobs.plan import JobPlan


def ask_one(plan: JobPlan, item: InputItem, seconds: float) -> Response:
    """Order a job of one input, and have the current view called again when it has finished or the time is up; what
    it waited for (`api.http.waits.waited`) then has the job's id as its note. If the client hangs up, the job goes.

    Raises:
        RequestError: `too_many_waiting`; then there is no job.
    """
    place = services().places.enter(plan.tenant_id)
    try:
        job = order_one(services(), plan, item)
    except BaseException:
        place.leave()
        raise
    return park_for_job(
        place, job.id, job.version, seconds, note=job.id, hung_up=_removal(plan.tenant_id, job.id)
    )  # fmt: skip


def take_answer(tenant_id: str, job_id: str) -> tuple[Job, Row | None]:
    """The job, and its result if it has finished: then nobody needs the job any more, and it goes."""
    with services().database.read() as session:
        job = jobs.find_job(session, tenant_id, job_id)
        found = page_results(session, job_id, limit=1) if JobState(job.state).finished else []
    if not found or found[0]["state"] == ItemState.CANCELLED:  # by somebody else
        return job, None
    _removal(tenant_id, job_id)()
    return job, found[0]


def _removal(tenant_id: str, job_id: str) -> Callable[[], None]:
    """What removes a job that has served, or whose client is gone; also outside of a request."""
    database = services().database

    def remove() -> None:
        with suppress(NotFound, Unavailable), database.write() as session:
            jobs.delete_job(session, tenant_id, job_id)

    return remove
