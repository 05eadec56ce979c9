"""Waiting for a job to change: for long polls, and for event streams."""

from __future__ import annotations

import time
from collections.abc import Iterator

from flask import request

from api.http.disconnect import Disconnect, client_gone
from api.http.long_polls import wanted_wait
from api.services import Services
from core.states import JobState
from db.engine import Database
from db.jobs import find_job, job_version
from db.tables import Job

FIRST_PAUSE_S, LAST_PAUSE_S = 0.25, 1.0


def job_when_ready(services: Services, tenant_id: str, job_id: str) -> tuple[Job, int | None]:
    """The job once it has finished (or changed from the client's ETag), and the seconds of waiting that were granted.

    Raises:
        NotFound: `job_not_found`.
        RequestError: `too_many_waiting`.
    """
    job = _job(services, tenant_id, job_id)
    seconds = wanted_wait()
    if not seconds or _ready(job):
        return job, seconds
    with services.long_polls.enter():
        for version in job_versions(services.database, tenant_id, job_id, client_gone(), seconds):
            if version != job.version:
                job = _job(services, tenant_id, job_id)
            if _ready(job):
                break
    return job, seconds


def job_versions(database: Database, tenant_id: str, job_id: str, gone: Disconnect, seconds: float) -> Iterator[int]:
    """A job's version, read again and again, until the client is gone or the time is up.

    The pauses between grow while nothing changes.

    Raises:
        NotFound: `job_not_found`, as soon as the job is deleted.
    """
    end = time.monotonic() + seconds
    pause = FIRST_PAUSE_S
    seen = None
    while True:
        with database.read() as session:
            version = job_version(session, tenant_id, job_id)
        pause = FIRST_PAUSE_S if version != seen else min(LAST_PAUSE_S, pause * 1.3)
        seen = version
        yield version
        left = end - time.monotonic()
        if left <= 0 or gone.wait(min(pause, left)):
            return


def _ready(job: Job) -> bool:
    changed = bool(request.if_none_match) and not request.if_none_match.contains_weak(str(job.version))
    return JobState(job.state).finished or changed


def _job(services: Services, tenant_id: str, job_id: str) -> Job:
    with services.database.read() as session:
        return find_job(session, tenant_id, job_id)
