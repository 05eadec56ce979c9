"""Cancelling a job, whoever asks for it."""

from __future__ import annotations

from contextlib import suppress

from db import jobs
from db.engine import Database, Unavailable
from db.tables import Job
from db.upkeep import write_cancelled


def cancel_job(database: Database, tenant_id: str, job_id: str) -> Job:
    """Cancel a tenant's job; a small one shows its cancelled items at once.

    Raises:
        NotFound, Conflict: as `db.jobs.cancel_job`.
    """
    with database.write() as session:
        job = jobs.cancel_job(session, tenant_id, job_id)
    # The scheduler does the rest, or all if this fails: the job is cancelled already, and the answer must say so.
    with suppress(Unavailable), database.write() as session:
        write_cancelled(session, job_id)
    return job
