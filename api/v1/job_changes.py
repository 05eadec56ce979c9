"""Long polls: Prefer: wait=N (RFC 7240)."""

from __future__ import annotations

import re

from flask import request

from api.http.disconnect import client_gone
from api.http.long_polls import versions
from api.services import Services
from core.states import JobState
from db.jobs import find_job
from db.tables import Job

MAX_WAIT_S = 50  # many proxies cut a connection on which nothing has come for 60 seconds


def wanted_wait() -> int | None:
    """The seconds that a client is made to wait, at most 50 whatever it offers; None if it does not say."""
    for part in re.split(r"[,;]", request.headers.get("Prefer", "")):
        found = re.fullmatch(r"\s*wait\s*=\s*\"?(\d{1,6})\"?\s*", part, re.IGNORECASE | re.ASCII)
        if found:
            return min(int(found[1]), MAX_WAIT_S)
    return None


def job_when_ready(services: Services, tenant_id: str, job_id: str) -> tuple[Job, int | None]:
    """The job once it has finished (or changed from the client's ETag), and the seconds it was allowed to take.

    Raises:
        NotFound: `job_not_found`.
        RequestError: `too_many_waiting`.
    """
    job = _job(services, tenant_id, job_id)
    seconds = wanted_wait()
    if not seconds or _ready(job):
        return job, seconds
    with services.waiting.enter():
        for version in versions(services.database, tenant_id, job_id, client_gone(), seconds):
            if version != job.version:
                job = _job(services, tenant_id, job_id)
            if _ready(job):
                break
    return job, seconds


def _ready(job: Job) -> bool:
    changed = bool(request.if_none_match) and not request.if_none_match.contains_weak(str(job.version))
    return JobState(job.state).finished or changed


def _job(services: Services, tenant_id: str, job_id: str) -> Job:
    with services.database.read() as session:
        return find_job(session, tenant_id, job_id)
