"""One job: how far it is, what failed and why, its results as they come, and its webhook."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api.http.auth import caller
from api.http.queries import choice_parameter, int_parameter, numbers_parameter
from api.pages.frame.page import PageBlueprint, page, see_other
from api.pages.jobs.job_results import PER_PAGE, ResultsPage, places_done, places_found, results_page
from api.pages.jobs.job_shown import ShownJob, shown_job
from api.services import services
from api.v1.events import PAUSE_S, stream_job
from core.states import ItemState, Priority
from db.engine import Session
from db.job_failures import group_failures
from db.jobs import find_job
from db.outbox import list_deliveries

blueprint = PageBlueprint("job_page")
MOST_INPUTS = 100_000_000
FEW_FAILURES = 1_000  # grouping them takes no time
MOST_OPEN = 50  # places of a page that are not filled
BULK_PAUSE_S = 1.0  # between two looks at a job that takes long anyway


@blueprint.get("/jobs/<id:job_id>")
def show(job_id: str) -> Response:
    first = int_parameter(request.args, "from", 0, MOST_INPUTS, 0)
    state = choice_parameter(request.args, "state", tuple(ItemState)) if request.args.get("state") else None
    tenant_id, seconds_left = caller().tenant_id, services().forecasts.as_of_now()
    with services().database.read() as session:
        job = shown_job(find_job(session, tenant_id, job_id), seconds_left)
        return page(
            "jobs/job.html",
            job=job,
            results=results_page(session, tenant_id, job, first, state),
            state=state,
            failures=_failures(session, job),
            deliveries=list_deliveries(session, tenant_id, job_id),
        )


@blueprint.get("/jobs/<id:job_id>/live")
def live(job_id: str) -> Response:
    """What has changed since the page, or the last such part, was made; the page says what it shows.

    The HTML of a part is made by the template that made it first. Places that are filled already are left alone, so
    that pictures do not flicker, and buttons too as long as they are the right ones, so that nobody loses the focus.
    """
    tenant_id, seconds_left = caller().tenant_id, services().forecasts.as_of_now()
    with services().database.read() as session:
        job = shown_job(find_job(session, tenant_id, job_id), seconds_left)
        still_open = numbers_parameter(request.args, "open", MOST_OPEN)
        done = places_done(session, tenant_id, job_id, still_open)
        grown = _grown(session, tenant_id, job)
        failures = _failures(session, job) if _worth_grouping(job) else None
        deliveries = list_deliveries(session, tenant_id, job_id) if job.finished else None
    left = sorted(set(still_open) - {place.seq for place in done}) + (grown.open if grown else [])
    return page(
        "jobs/live.html",
        job=job,
        done=done,
        open=left,
        grown=grown,
        end=grown.end if grown else _end(),
        failures=failures,
        failed=job.view["counts"]["failed"] if failures is not None else _shown_failed(),
        deliveries=deliveries,
        state_changed=request.args.get("shown") != job.view["state"],
    )


@blueprint.get("/jobs/<id:job_id>/events")
def follow(job_id: str) -> Response:
    """Says that something has changed; what it is, the page asks for. No thread waits for it."""
    who = caller()
    with services().database.read() as session:
        bulk = find_job(session, who.tenant_id, job_id).priority == Priority.BULK
    pause_s = BULK_PAUSE_S if bulk else PAUSE_S
    return stream_job(who.tenant_id, job_id, who.key_sha256, lambda job: str(job.version), pause_s)


@blueprint.get("/jobs/<id:job_id>/results/<int:seq>")
def item(job_id: str, seq: int) -> Response:
    """One photo or text with all that was found."""
    tenant_id = caller().tenant_id
    with services().database.read() as session:
        job = shown_job(find_job(session, tenant_id, job_id))
        found = places_done(session, tenant_id, job_id, [min(seq, MOST_INPUTS)])
    if not found:
        return see_other(f"/jobs/{job_id}?from={max(0, min(seq, job.places - 1))}")
    per_page = PER_PAGE[job.noun]
    return page("jobs/item.html", job=job, place=found[0], back=seq // per_page * per_page)


def _grown(session: Session, tenant_id: str, job: ShownJob) -> ResultsPage | None:
    """What a listing has found since for this page; None if it shows one state alone."""
    if "from" not in request.args:
        return None
    first = int_parameter(request.args, "from", 0, MOST_INPUTS, 0)
    return places_found(session, tenant_id, job, first, max(first, _end()))


def _end() -> int:
    return int_parameter(request.args, "end", 0, MOST_INPUTS, 0)


def _failures(session: Session, job: ShownJob) -> list[Any]:
    return list(group_failures(session, job.view["id"])) if job.view["counts"]["failed"] else []


def _worth_grouping(job: ShownJob) -> bool:
    """Whether the failures that the page shows are old: of many, only once a tenth has come anew, or at the end."""
    shown, now = _shown_failed(), job.view["counts"]["failed"]
    return now != shown and (now <= FEW_FAILURES or job.finished or abs(now - shown) * 10 >= shown)


def _shown_failed() -> int:
    return int_parameter(request.args, "failed", 0, MOST_INPUTS, 0)
