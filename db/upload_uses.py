"""Which jobs name which uploads. Inputs lie packed in chunks, so it is written down apart when the chunks are."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from core.inputs import groups
from core.states import JobState
from db.clock import now_ms
from db.tables import Job, Upload, UploadUse
from db.upsert import insert_into

IDS_AT_A_TIME = 500
UNFINISHED = Job.state.in_([JobState.QUEUED, JobState.RUNNING])


def note_uses(session: Session, job: Job, upload_ids: Collection[str]) -> None:
    """Note that a job needs these uploads, as far as its tenant has them; the others fail alone, when they are read.

    An upload that is being removed is waited for, and then there is none.
    """
    for some in groups(sorted(upload_ids), IDS_AT_A_TIME):
        owned = select(Upload.id).where(Upload.id.in_(some), Upload.tenant_id == job.tenant_id).order_by(Upload.id)
        there = session.scalars(owned.with_for_update(read=True, key_share=True)).all()
        if there:
            use = insert_into(session, UploadUse).on_conflict_do_nothing()
            session.execute(use, [{"upload_id": upload_id, "job_id": job.id} for upload_id in there])


def needed_by(session: Session, upload_id: str) -> str | None:
    """The id of an unfinished job that names an upload, or None."""
    jobs = select(UploadUse.job_id).join(Job, Job.id == UploadUse.job_id).where(UNFINISHED)
    return session.scalars(jobs.where(UploadUse.upload_id == upload_id).limit(1)).first()


def last_needed(session: Session, upload_ids: Collection[str]) -> dict[str, int]:
    """When a job last needed each upload, in milliseconds: now, if it is unfinished. Without those no job names."""
    when = case((UNFINISHED, now_ms()), else_=func.coalesce(Job.finished_at, Job.created_at))
    found = session.execute(
        select(UploadUse.upload_id, func.max(when))
        .join(Job, Job.id == UploadUse.job_id)
        .where(UploadUse.upload_id.in_(upload_ids))
        .group_by(UploadUse.upload_id)
    )
    return {row[0]: row[1] for row in found}
