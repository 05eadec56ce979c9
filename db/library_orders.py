"""The jobs of a run: which photos go into the next one, which jobs are open, and giving up what has not been run."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from core.states import ChunkState, JobState
from db.clock import now_ms
from db.jobs import stop_chunks
from db.library_tables import LibraryChange, LibraryRun
from db.locks import UNFINISHED, lock_job_and_chunks
from db.tables import Job

OPEN = (JobState.QUEUED, JobState.RUNNING)


def take_due(session: Session, run: LibraryRun, most: int) -> Sequence[LibraryChange]:
    """The next photos that are due in a run that is locked, within its limit."""
    if run.most is not None:
        ordered = select(func.count()).select_from(LibraryChange).where(
            LibraryChange.run == run.number, LibraryChange.job.is_not(None)
        )  # fmt: skip
        most = min(most, run.most - session.scalars(ordered).one())
    if most <= 0:
        return ()
    due = select(LibraryChange).where(LibraryChange.run == run.number, LibraryChange.state == "due")
    return session.scalars(due.order_by(LibraryChange.id).limit(most)).all()


def mark_ordered(session: Session, changes: Sequence[LibraryChange], job_id: str) -> None:
    """Note which job runs them."""
    ids = [change.id for change in changes]
    session.execute(
        update(LibraryChange)
        .where(LibraryChange.id.in_(ids))
        .values(state="ordered", job=job_id)
        .execution_options(synchronize_session=False)
    )


def open_items(session: Session, run: int) -> int:
    """How many photos are in the run's open jobs and not done yet."""
    left = func.coalesce(func.sum(Job.total - Job.succeeded - Job.failed - Job.cancelled), 0)
    return int(session.scalars(select(left).where(Job.library_run == run, Job.state.in_(OPEN))).one())


def jobs_of_run(session: Session, run: int, *, unfinished: bool = False) -> Sequence[str]:
    """The ids of the run's jobs that were not given up yet."""
    query = select(Job.id).where(Job.library_run == run, Job.deleted_at.is_(None))
    if unfinished:
        query = query.where(Job.state.in_(OPEN))
    return session.scalars(query.order_by(Job.id)).all()


def drop_job(session: Session, job_id: str) -> None:
    """Give up a job of a run, finished or not: its chunks are taken from whoever has them, and what was not done is due
    again. Its rows go soon after, as those of a job that was deleted."""
    job = lock_job_and_chunks(session, job_id, UNFINISHED)
    if job is None or job.deleted_at is not None:
        return
    now = session.execute(select(now_ms())).scalar_one()
    stop_chunks(session, job.id, UNFINISHED, ChunkState.DONE)
    if not JobState(job.state).finished:
        job.cancelled = job.total - job.succeeded - job.failed
        job.state, job.finished_at = JobState.CANCELLED, now
        session.execute(
            update(LibraryChange)
            .where(LibraryChange.run == job.library_run, LibraryChange.job == job.id, LibraryChange.state == "ordered")
            .values(state="due", job=None)
            .execution_options(synchronize_session=False)
        )
    job.deleted_at = now
    job.version += 1
    session.flush()
