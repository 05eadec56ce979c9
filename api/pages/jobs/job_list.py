"""All jobs, newest first."""

from __future__ import annotations

from flask import Response, request

from api.http.auth import caller
from api.http.cursors import before_job, read_job_id
from api.http.queries import choice_parameter
from api.pages.frame.page import PageBlueprint, page, see_other
from api.pages.frame.words import STATE_WORDS
from api.pages.jobs.job_search import id_range
from api.pages.jobs.job_shown import shown_job
from api.services import services
from core.states import JobState
from db.jobs import list_jobs

blueprint = PageBlueprint("job_list")
PER_PAGE = 25


@blueprint.get("/jobs")
def index() -> Response:
    state = choice_parameter(request.args, "state", tuple(JobState)) if request.args.get("state") else None
    cursor, typed = request.args.get("cursor"), request.args.get("q", "").strip()[:200]
    before = read_job_id(cursor) if cursor else None
    between = id_range(typed) if typed else None
    unreadable = bool(typed) and between is None
    with services().database.read() as session:
        found = [] if unreadable else list_jobs(
            session, caller().tenant_id, limit=PER_PAGE + 1, before=before, state=state, between=between
        )  # fmt: skip
    shown = [shown_job(job, services().forecasts.seconds_left) for job in found[:PER_PAGE]]
    if typed and len(shown) == 1 and not (cursor or state):
        return see_other(f"/jobs/{shown[0].view['id']}")
    return page(
        "jobs/list.html",
        jobs=shown,
        states=STATE_WORDS,
        state=state,
        typed=typed,
        unreadable=unreadable,
        beginning=not cursor,
        cursor=before_job(shown[-1].view["id"]) if len(found) > PER_PAGE else None,
    )
