"""How fast a job has been going lately, kept on its row by the statement that counts what was stored.

Two moments are remembered with what was done by then: from the older one the pace is told, the younger one takes its
place once it is old enough itself. So the pace looks back over some of the job's age, between 5 seconds and two
minutes, and polls read nothing but the row. Before the first such moment the job's own beginning stands for it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from db.locks import UNFINISHED
from db.tables import Chunk, Job

LEAST_WINDOW_MS, MOST_WINDOW_MS = 5_000, 60_000
OF_ITS_AGE = 4  # a job that has run for a minute looks back 15 to 30 seconds
SILENCE_MS, WINDOWS_OF_SILENCE = 30_000, 4
COLUMNS = (
    Job.id, Job.pace_from_at, Job.pace_next_at, Job.pace_next_done, Job.stored_at, Job.started_at, Job.waits_until,
)  # fmt: skip


def pace_values(session: Session, job: Any, now: int, count: int) -> dict[str, Any]:
    """What to write on a job's row while `count` more of its items are counted there.

    Two that store at the same time may both move a moment on; it is the same one, to within their transactions.

    Args:
        job: a row with `COLUMNS`, as it was before.
        now: by the database's clock, milliseconds.
    """
    done = Job.succeeded + Job.failed + Job.cancelled + count
    following = {"pace_next_at": now, "pace_next_done": done}
    if job.pace_next_at is None:
        return {"stored_at": now, **following}
    if _was_interrupted(session, job, now):
        return {"stored_at": now, "pace_from_at": now, "pace_from_done": done, **following}
    age = now - (job.started_at or now)
    if now - job.pace_next_at < min(max(age // OF_ITS_AGE, LEAST_WINDOW_MS), MOST_WINDOW_MS):
        return {"stored_at": now}
    return {"stored_at": now, "pace_from_at": job.pace_next_at, "pace_from_done": job.pace_next_done, **following}


def _was_interrupted(session: Session, job: Any, now: int) -> bool:
    """Whether nothing was stored for so much longer than usual that something else had been in the way: other jobs, or
    no worker lived. Its hosts are not something else, if all that is left has waited for them."""
    window = job.stored_at - (job.pace_from_at or job.started_at or job.stored_at)
    if now - job.stored_at <= max(SILENCE_MS, WINDOWS_OF_SILENCE * window):
        return False
    if job.waits_until is None or job.waits_until <= job.stored_at:
        return True
    held_up = (Chunk.job_id == job.id, Chunk.state.in_(UNFINISHED), Chunk.due_at <= job.stored_at)
    return session.scalars(select(Chunk.id).where(*held_up).limit(1)).first() is not None


def forget_pace(job: Job) -> None:
    """A job begins anew: what it did before says nothing of what is left."""
    job.pace_from_at = job.pace_from_done = job.pace_next_at = job.pace_next_done = None
    job.stored_at = job.waits_until = None


def note_wait(session: Session, chunk_id: int, job_id: str) -> None:
    """Note on its job until when the hosts of a chunk, which was just given back, want to be left alone."""
    due = select(Chunk.due_at).where(Chunk.id == chunk_id).scalar_subquery()
    session.execute(
        update(Job)
        .where(Job.id == job_id, or_(Job.waits_until.is_(None), Job.waits_until < due))
        .values(waits_until=due)
        .execution_options(synchronize_session=False)
    )
