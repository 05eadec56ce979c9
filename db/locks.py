"""The order of locks: what happens to a job at the same time ends as if one thing had happened after the other.

A transaction that changes a job locks, in this order: chunks (by job and id, or with SKIP LOCKED), then the job, then
the uploads it names, then its tenant. A worker knows its chunk before it knows the job, so the order cannot be the
reverse. Whoever holds a job's row never waits for a chunk. On SQLite a writer is alone, and none of this is needed. See
docs/decisions/0089.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from core.states import ChunkState
from db.tables import Chunk, Job

UNFINISHED = (ChunkState.PENDING, ChunkState.LEASED)


def lock_job(session: Session, job_id: str) -> Job | None:
    """The job as it is now, locked until the transaction ends; None if it is gone."""
    wanted = select(Job).where(Job.id == job_id).with_for_update()
    return session.scalars(wanted.execution_options(populate_existing=True)).one_or_none()


def lock_job_and_chunks(session: Session, job_id: str, states: Collection[ChunkState] = UNFINISHED) -> Job | None:
    """As `lock_job`, with every chunk of the job that is in one of the states.

    A chunk may be cut in two while we wait for the job, and its halves are not ours: then everything is given back and
    locked anew, for to wait for them with the job in hand could be a deadlock.
    """
    concerned = _in_order(Chunk.job_id == job_id, Chunk.state.in_(states))
    while True:
        attempt = session.begin_nested()
        held = _lock(session, concerned)
        job = lock_job(session, job_id)
        if held.issuperset(session.scalars(concerned)):
            attempt.commit()
            return job
        attempt.rollback()


def lock_chunks(session: Session, *which: ColumnElement[bool]) -> set[int]:
    """Lock chunks in the order that everybody keeps; returns their ids."""
    return _lock(session, _in_order(*which))


def _in_order(*which: ColumnElement[bool]) -> Select[int]:
    return select(Chunk.id).where(*which).order_by(Chunk.job_id, Chunk.id)


def _lock(session: Session, ids: Select[int]) -> set[int]:
    return set(session.scalars(ids.with_for_update(key_share=True)))
