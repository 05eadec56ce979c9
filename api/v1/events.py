"""Server-sent events: a job's progress as it happens."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.operations import Answer, Operation, describe
from api.http.auth import caller
from api.http.disconnect import Disconnect, client_gone
from api.services import Services, base_url, services
from api.v1.job_changes import job_versions
from api.v1.views import job_view
from core.errors import NotFound
from core.states import JobState
from db.jobs import find_job
from db.tables import Job

blueprint = Blueprint("events", __name__)
HEARTBEAT_S = 12.0
LONGEST_S = 3600.0  # then the client connects again, with Last-Event-ID


@blueprint.get("/v1/jobs/<id:job_id>/events")
@describe(
    Operation(
        "Follow a job",
        "jobs",
        {
            200: Answer("Events `progress` and `finished`, each with the job.",
                        bodies={"text/event-stream": {}}),
            204: Answer("Finished, and Last-Event-ID says that you know."),
        },
        description="The id of an event is the job's version. The stream ends after `finished`.",
        parameters=(parameters.LAST_EVENT_ID,),
        problems=("job_not_found", "too_many_waiting"),
    )
)  # fmt: skip
def follow(job_id: str) -> Response:
    tenant_id = caller().tenant_id
    with services().database.read() as session:
        job = find_job(session, tenant_id, job_id)
    seen = _last_seen()
    if seen == job.version and JobState(job.state).finished:
        return Response(status=204)  # which tells an EventSource not to come back
    slot = services().long_polls.enter()
    events = _events(services(), tenant_id, job_id, seen, base_url(), client_gone())
    response = Response(events, content_type="text/event-stream")
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    response.call_on_close(slot.leave)  # also when the stream was never begun
    return response


def _last_seen() -> int | None:
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _events(
    services: Services, tenant_id: str, job_id: str, seen: int | None, base: str, gone: Disconnect
) -> Iterator[bytes]:
    yield b"retry: 2000\n\n"
    last_sent = time.monotonic()
    try:
        for version in job_versions(services.database, tenant_id, job_id, gone, LONGEST_S):
            if version != seen:
                with services.database.read() as session:
                    job = find_job(session, tenant_id, job_id)
                yield _event(job, base)
                seen, last_sent = job.version, time.monotonic()
                if JobState(job.state).finished:
                    return
            elif time.monotonic() > last_sent + HEARTBEAT_S:
                yield b": still here\n\n"
                last_sent = time.monotonic()
    except NotFound:  # deleted meanwhile
        return


def _event(job: Job, base: str) -> bytes:
    kind = "finished" if JobState(job.state).finished else "progress"
    data = json.dumps(job_view(job, base), ensure_ascii=False)
    return f"event: {kind}\nid: {job.version}\ndata: {data}\n\n".encode()
