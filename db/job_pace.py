"""How fast a job has been going lately, kept on its row by the statement that counts what was stored.

Two moments are remembered with what was done by then: from the older one the pace is told, the younger one takes its
place once it is old enough itself. So the pace looks back over some of the job's age, between 5 seconds and two
minutes, and polls read nothing but the row. Before the first such moment the job's own beginning stands for it.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, bindparam, or_, select, update
from sqlalchemy.orm import Session

from db.locks import UNFINISHED
from db.statements import table_of
from db.tables import Chunk, Job

LEAST_WINDOW_MS, MOST_WINDOW_MS = 5_000, 60_000
OF_ITS_AGE = 4  # a job that has run for a minute looks back 15 to 30 seconds
SILENCE_MS, WINDOWS_OF_SILENCE = 30_000, 4
COLUMNS = ("id", "pace_from_at", "pace_next_at", "pace_next_done", "stored_at", "started_at", "waits_until")


class Move(Enum):
    """What storing results does to a job's two moments."""

    STAY = "neither is old enough"
    BEGIN = "there is none yet: now is the younger one"
    BEGIN_ANEW = "both are now: what was before says nothing"
    ON = "the younger one is the older one now, and now is the younger one"


def pace_columns(move: Move) -> dict[str, ColumnElement[Any]]:
    """SQL: what a statement that counts `more` items on a job's row writes there beside, given `now`; of ON also the
    younger moment that was read, `from_at` and `from_done`."""
    job = table_of(Job).c
    now, more = bindparam("now", type_=BigInteger), bindparam("more", type_=BigInteger)
    done = job.succeeded + job.failed + job.cancelled + more
    younger = {"pace_next_at": now, "pace_next_done": done}
    match move:
        case Move.STAY:
            return {"stored_at": now}
        case Move.BEGIN:
            return {"stored_at": now, **younger}
        case Move.BEGIN_ANEW:
            return {"stored_at": now, "pace_from_at": now, "pace_from_done": done, **younger}
        case Move.ON:
            older = {name: bindparam(name, type_=BigInteger) for name in ("from_at", "from_done")}
            return {"stored_at": now, **{f"pace_{name}": value for name, value in older.items()}, **younger}


def pace_move(session: Session, job: Any, now: int) -> Move:
    """How the moments of a job move while more of its items are counted there.

    Two that store at the same time may both move a moment on; it is the same one, to within their transactions.

    Args:
        job: a row with `COLUMNS`, as it was before.
        now: by the database's clock, milliseconds.
    """
    if job.pace_next_at is None:
        return Move.BEGIN
    if _was_interrupted(session, job, now):
        return Move.BEGIN_ANEW
    age = now - (job.started_at or now)
    young = now - job.pace_next_at < min(max(age // OF_ITS_AGE, LEAST_WINDOW_MS), MOST_WINDOW_MS)
    return Move.STAY if young else Move.ON


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
