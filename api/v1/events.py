"""Server-sent events: a job's progress as it happens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.operations import Answer, Operation, describe
from api.http.auth import caller
from api.http.waits import Event, EventStream, begin_stream
from api.services import base_url, services
from api.v1.job_source import JobSource
from api.v1.views import job_view
from core.states import JobState
from db.jobs import find_job
from db.tables import Job

blueprint = Blueprint("events", __name__)
RETRY = b"retry: 2000\n\n"
HEARTBEAT_S = 12.0
PAUSE_S = 0.25
NEW_LINE = re.compile("\r\n|\r|\n")  # what ends a line of an event stream; str.splitlines knows more
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
        description="The id of an event is the job's version. The stream ends after `finished`, when the job is "
        "removed, and when your key is revoked. Changes that follow each other quickly are one event.",
        parameters=(parameters.LAST_EVENT_ID,),
        problems=("job_not_found", "too_many_waiting"),
    )
)  # fmt: skip
def follow(job_id: str) -> Response:
    base, seconds_left = base_url(), services().forecasts.seconds_left
    return stream_job(
        caller().tenant_id,
        job_id,
        caller().key_sha256 or None,
        lambda job: json.dumps(job_view(job, base, seconds_left), ensure_ascii=False),
    )


def stream_job(
    tenant_id: str, job_id: str, key_sha256: str | None, data: Callable[[Job], str], pause_s: float = PAUSE_S
) -> Response:
    """The events of a tenant's job from now on, as the current view's answer; for routes of the API and for pages.

    Args:
        key_sha256: the hash of the key that whoever follows came in with: when it is revoked, the stream ends. None:
            they came without one.
        data: what an event says of the job; called on another thread, outside of the request.
        pause_s: two events are at least so far apart.

    Raises:
        NotFound: `job_not_found`.
        RequestError: `too_many_waiting`.
    """
    with services().database.read() as session:
        job = find_job(session, tenant_id, job_id)
    seen, finished = _last_seen(), JobState(job.state).finished
    if seen == job.version and finished:
        return Response(status=204)  # which tells an EventSource not to come back
    first = RETRY if seen == job.version else RETRY + _event(job, data).data
    if finished or request.method == "HEAD":
        return _head(Response(first))
    stream = EventStream(
        source=JobSource(services().live, job_id, job.version, lambda job: _event(job, data), key_sha256),
        seconds=LONGEST_S,
        place=services().places.enter(tenant_id),
        first=first,
        pause_s=pause_s,
        heartbeat_s=HEARTBEAT_S,
    )
    return begin_stream(_head(Response(iter(()))), stream)


def _head(response: Response) -> Response:
    response.content_type = "text/event-stream"
    response.headers["Cache-Control"] = "no-cache"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def _last_seen() -> int | None:
    text = request.headers.get("Last-Event-ID", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None


def _event(job: Job, data: Callable[[Job], str]) -> Event:
    finished = JobState(job.state).finished
    lines = "".join(f"data: {line}\n" for line in NEW_LINE.split(data(job)))
    return Event(f"event: {'finished' if finished else 'progress'}\nid: {job.version}\n{lines}\n".encode(), finished)
