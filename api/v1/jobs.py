"""Jobs: submitting, reading, stopping, running again, removing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.operations import Answer, Operation, describe
from api.document.schemas import JobPage, JobView
from api.http.answers import answer
from api.http.auth import caller
from api.http.cursors import JOBS, before_job, read_job_id
from api.http.long_polls import wanted_wait
from api.http.queries import choice_parameter, int_parameter
from api.http.waits import waited
from api.services import base_url, services
from api.submission.body import Body, media_type_of
from api.submission.lines import PARSERS
from api.submission.once import idempotency_key
from api.submission.submit import JSON, Accepted, Submission, submit
from api.v1.job_changes import park_for_job
from api.v1.views import etag, job_view
from core.errors import NotFound, RequestError
from core.states import JobState
from db import jobs
from db.engine import NoConnection, Unavailable
from db.jobs import FIRST_VERSION
from db.tables import Job
from jobs.cancelling import cancel_job
from jobs.orders import take_orders

blueprint = Blueprint("jobs", __name__)
POLL_AFTER_S = "2"
UNSEEN = 0  # before the version of any job


@blueprint.post("/v1/jobs")
@describe(
    Operation(
        "Submit a job",
        "jobs",
        {
            202: Answer(
                "Accepted; poll `Location`, or wait for the webhook.", JobView,
                headers=("Location", "Preference-Applied"),
            ),
        },
        description=parameters.SUBMIT_TEXT,
        parameters=(*parameters.SUBMIT_QUERY, parameters.IDEMPOTENCY_KEY, parameters.PREFER),
        body=parameters.SUBMIT_BODIES,
        problems=("json_invalid", "field_invalid", "idempotency_key_in_use", "body_too_large",
                  "unsupported_media_type", "request_timeout", "length_required", "model_unavailable"),
    )
)  # fmt: skip
def create() -> Response:
    before = waited()
    if before is not None:
        return _after_wait(before.note)
    accepted = submit(
        services(),
        Submission(
            caller=caller(),
            content_type=media_type_of((JSON, *PARSERS)),
            query=list(request.args.items()),
            body=Body(request.environ),
            key=idempotency_key(),
            base_url=base_url(),
            view=_first_view,
        ),
    )
    return _wait_for(accepted)


def _first_view() -> Callable[[Job], dict[str, Any]]:
    """How a job that is just coming in is shown. Whoever waits for it is shown it anew: nobody looks ahead for them."""
    base = base_url()
    if wanted_wait() is not None:
        return lambda job: job_view(job, base)
    seconds_left = services().forecasts.as_of_now()
    return lambda job: job_view(job, base, seconds_left)


def _wait_for(accepted: Accepted) -> Response:
    """Let the client wait for the job that was accepted, if it wants to and there is a place: it is a preference."""
    seconds = wanted_wait()
    if seconds is None:
        return _answer_to(accepted, accepted.view)
    if not seconds:
        return _after_wait(accepted)
    try:
        place = services().places.enter(caller().tenant_id)
    except RequestError:
        return _answer_to(accepted, _seen_now(accepted))
    known = UNSEEN if accepted.replayed else FIRST_VERSION  # what has changed since then is told at once
    return park_for_job(place, str(accepted.view["id"]), known, seconds, note=accepted)


def _after_wait(accepted: Accepted) -> Response:
    response = _answer_to(accepted, _seen_now(accepted))
    response.headers["Preference-Applied"] = f"wait={wanted_wait()}"
    return response


def _seen_now(accepted: Accepted) -> dict[str, Any]:
    """The job as it is now, or as it was accepted if it cannot be read: the answer must say that it was."""
    job = None
    with suppress(NotFound, Unavailable, NoConnection), services().database.read() as session:
        job = jobs.find_job(session, caller().tenant_id, str(accepted.view["id"]))
    return _view(job) if job is not None else accepted.view  # behind the transaction: it may look at what lies ahead


def _view(job: Job) -> dict[str, Any]:
    return job_view(job, base_url(), services().forecasts.seconds_left)


def _answer_to(accepted: Accepted, view: dict[str, Any]) -> Response:
    response = _accepted(view)
    if accepted.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@blueprint.get("/v1/jobs")
@describe(
    Operation(
        "List jobs, newest first",
        "jobs",
        {200: Answer("A page.", JobPage)},
        parameters=(parameters.limit(100, 20), parameters.cursor(JOBS), parameters.state(tuple(JobState))),
        problems=("parameter_invalid",),
    )
)
def index() -> Response:
    limit = int_parameter(request.args, "limit", 1, 100, 20)
    state = choice_parameter(request.args, "state", tuple(JobState))
    cursor = request.args.get("cursor")
    before = read_job_id(cursor) if cursor is not None else None
    with services().database.read() as session:
        found = jobs.list_jobs(session, caller().tenant_id, limit=limit + 1, before=before, state=state)
    views = [_view(job) for job in found[:limit]]
    more = before_job(views[-1]["id"]) if len(found) > limit else None
    return answer({"data": views, "next_cursor": more})


@blueprint.get("/v1/jobs/<id:job_id>")
@describe(
    Operation(
        "Read a job",
        "jobs",
        {
            200: Answer("The job.", JobView, headers=("ETag", "Preference-Applied")),
            304: Answer("Unchanged since that ETag."),
        },
        description="With `Prefer: wait=N` it answers when the job has finished (with `If-None-Match` also: when it "
        "has changed), or after N seconds, at most 50; `Preference-Applied` says which wait was granted.",
        parameters=(parameters.PREFER, parameters.IF_NONE_MATCH),
        problems=("job_not_found", "too_many_waiting"),
    )
)
def read(job_id: str) -> Response:
    with services().database.read() as session:
        job = jobs.find_job(session, caller().tenant_id, job_id)
    seconds, known = wanted_wait(), request.if_none_match
    ready = JobState(job.state).finished or (known and not known.contains_weak(str(job.version)))
    if seconds and not ready and not waited():
        place = services().places.enter(job.tenant_id)
        return park_for_job(place, job_id, job.version, seconds, any_change=bool(known))
    known_already = request.if_none_match.contains_weak(str(job.version))
    response = Response(status=304) if known_already else answer(_view(job))
    response.headers["ETag"] = etag(job)
    if not JobState(job.state).finished:
        response.headers["Retry-After"] = POLL_AFTER_S
    if seconds is not None:
        response.headers["Preference-Applied"] = f"wait={seconds}"
    response.headers["Cache-Control"] = "private, no-cache"
    return response


@blueprint.post("/v1/jobs/<id:job_id>/cancel")
@describe(
    Operation(
        "Cancel a job",
        "jobs",
        {200: Answer("Cancelled; what is finished stays.", JobView)},
        problems=("job_not_found", "job_finished"),
    )
)
def cancel(job_id: str) -> Response:
    return answer(_view(cancel_job(services().database, caller().tenant_id, job_id)))


@blueprint.post("/v1/jobs/<id:job_id>/retry")
@describe(
    Operation(
        "Run a finished job's failed items again",
        "jobs",
        {202: Answer("Queued again.", JobView, headers=("Location",))},
        problems=("job_not_found", "job_not_finished"),
    )
)
def retry(job_id: str) -> Response:
    with take_orders(services().database, services().doorbell, services().settings) as orders:
        job = orders.retry(caller().tenant_id, job_id)
    return _accepted(_view(job))


@blueprint.delete("/v1/jobs/<id:job_id>")
@describe(
    Operation(
        "Remove a job and its results",
        "jobs",
        {204: Answer("Gone; unfinished work stops, and no webhook is sent.")},
        problems=("job_not_found",),
    )
)
def delete(job_id: str) -> Response:
    with services().database.write() as session:
        jobs.delete_job(session, caller().tenant_id, job_id)
    return Response(status=204)


def _accepted(view: dict[str, Any]) -> Response:
    return answer(view, 202, Location=view["links"]["self"], Retry_After=POLL_AFTER_S)
