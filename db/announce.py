"""What is said of a job that has finished: a thin payload, counts and links."""

from __future__ import annotations

from sqlalchemy.orm import Session

from core.outbound.links import job_links
from db import outbox
from db.tables import Job


def announce_finish(session: Session, job: Job) -> None:
    """Write the webhook of a job that has just finished, if it asked for one; same transaction as the finish."""
    if job.webhook_url is None:
        return
    counts = {
        "total": job.total,
        "succeeded": job.succeeded,
        "failed": job.failed,
        "cancelled": job.cancelled,
        "pending": 0,
    }
    message = outbox.Message(
        tenant_id=job.tenant_id,
        url=job.webhook_url,
        secret=job.webhook_secret,
        event=f"job.{job.state}",
        subject=f"jobs/{job.id}",
        job_id=job.id,
        data={
            "id": job.id,
            "name": job.name,
            "metadata": job.meta,
            "state": job.state,
            "counts": counts,
            "links": job_links(job.id, job.base_url),
        },
    )
    outbox.enqueue(session, message)
