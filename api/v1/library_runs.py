"""Runs of libraries: starting one by hand, reading, cancelling, undoing, and what a finished one vouches for."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.library_answers import ReceiptView, RunPage, RunView
from api.document.library_bodies import RUN
from api.document.operations import Answer, Operation, describe
from api.http.answers import answer
from api.http.auth import caller
from api.http.cursors import RUNS, before_id, read_id
from api.http.queries import choice_parameter, int_parameter
from api.services import base_url, services
from api.submission.json_body import JSON, read_json
from api.submission.library_requests import RunRequest
from api.submission.once import make_once
from api.v1.library_views import shown_run, with_times
from core.states import RunState
from db.engine import Session
from libraries import runs

blueprint = Blueprint("library_runs", __name__)
TAG = "library runs"
MOST, USUAL = 500, 50
STATES = tuple(RunState)
_MISSING = ("library_not_found", "run_not_found")
POLL_AFTER_S = "2"


@blueprint.post("/v1/libraries/<id:library_id>/runs")
@describe(
    Operation(
        "Start a run",
        TAG,
        {202: Answer("Queued; it goes on by itself.", RunView, headers=("Location",))},
        description="`changed` looks at the source and runs what is new, changed, stale or failed in a way that may "
        "pass; `failed` only what failed, whatever the reason; `all` everything, without the outputs that are known; "
        "`relabel` gives new labels from the embeddings that are kept, without reading a photo. A dry run says what "
        "would be done and changes nothing. Without a body: `changed`.",
        parameters=(parameters.IDEMPOTENCY_KEY,),
        body={JSON: RUN},
        body_optional=True,
        problems=("library_not_found", "run_in_progress", "json_invalid", "field_invalid", "body_too_large",
                  "unsupported_media_type", "request_timeout", "length_required"),
    )
)  # fmt: skip
def start(library_id: str) -> Response:
    fields, body = read_json(RunRequest, optional=True)

    def make(session: Session) -> dict[str, Any]:
        return shown_run(runs.start_run(session, caller().tenant_id, library_id, fields), base_url())

    made = make_once(body, make, lambda session, known: runs.read_run(session, caller().tenant_id, library_id, known))
    services().doorbell.wake()
    response = answer(made.view, 202, Location=made.view["links"]["self"], Retry_After=POLL_AFTER_S)
    if made.replayed:
        response.headers["Idempotent-Replayed"] = "true"
    return response


@blueprint.get("/v1/libraries/<id:library_id>/runs")
@describe(
    Operation(
        "List runs, newest first",
        TAG,
        {200: Answer("A page.", RunPage)},
        parameters=(parameters.limit(MOST, USUAL), parameters.cursor(RUNS), parameters.state(STATES)),
        problems=("library_not_found", "parameter_invalid"),
    )
)
def index(library_id: str) -> Response:
    limit = int_parameter(request.args, "limit", 1, MOST, USUAL)
    state = choice_parameter(request.args, "state", STATES)
    before = read_id(request.args.get("cursor"))
    with services().database.read() as session:
        tenant_id = caller().tenant_id
        found = runs.page_runs(session, tenant_id, library_id, limit=limit + 1, before=before, state=state)
    views = [shown_run(run, base_url()) for run in found[:limit]]
    return answer({"data": views, "next_cursor": before_id(views[-1]["id"]) if len(found) > limit else None})


@blueprint.get("/v1/libraries/<id:library_id>/runs/<id:run_id>")
@describe(Operation("Read a run", TAG, {200: Answer("The run, its counts so far.", RunView)}, problems=_MISSING))
def read(library_id: str, run_id: str) -> Response:
    with services().database.read() as session:
        run = runs.read_run(session, caller().tenant_id, library_id, run_id)
    response = answer(shown_run(run, base_url()))
    if not RunState(run["state"]).finished:
        response.headers["Retry-After"] = POLL_AFTER_S
    return response


@blueprint.post("/v1/libraries/<id:library_id>/runs/<id:run_id>/cancel")
@describe(
    Operation(
        "Cancel a run",
        TAG,
        {200: Answer("Cancelled; what it has done stays.", RunView)},
        problems=(*_MISSING, "run_finished"),
    )
)
def cancel(library_id: str, run_id: str) -> Response:
    with services().database.write() as session:
        run = runs.cancel_run(session, caller().tenant_id, library_id, run_id)
    return answer(shown_run(run, base_url()))


@blueprint.post("/v1/libraries/<id:library_id>/runs/<id:run_id>/undo")
@describe(
    Operation(
        "Undo a run as a whole",
        TAG,
        {200: Answer("Labels and captions are as they were before it; what people said since stays.", RunView)},
        description="What a later run wrote stands. Sidecars are written anew soon after.",
        problems=(*_MISSING, "run_in_progress"),
    )
)
def undo(library_id: str, run_id: str) -> Response:
    with services().database.write() as session:
        run = runs.undo_run(session, caller().tenant_id, library_id, run_id)
    return answer(shown_run(run, base_url()))


@blueprint.get("/v1/libraries/<id:library_id>/runs/<id:run_id>/receipt")
@describe(
    Operation(
        "Read a finished run's receipt",
        TAG,
        {200: Answer("What it vouches for.", ReceiptView)},
        description="SHA-256 over a line for each photo that was not unchanged, sorted by key as bytes: the key as "
        "JSON, a space, the kind and, if it was due, a space and the outcome, and a line feed. The stream of changes "
        "has all of them.",
        problems=(*_MISSING, "run_not_finished"),
    )
)
def receipt(library_id: str, run_id: str) -> Response:
    with services().database.read() as session:
        return answer(with_times(runs.read_receipt(session, caller().tenant_id, library_id, run_id)))
