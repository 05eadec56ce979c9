"""Prefixes of jobs: what is found below one becomes chunks of its job, a page at a time, each exactly once.

A prefix that is being listed is a chunk of size 0, claimed and fenced as others are. A page's photos, the place behind
it and the job's counters are one transaction, so a worker that dies between two pages costs nothing but time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.orm import Session

from core.errors import ItemError, LeaseLost
from core.inputs import InputItem, InputKind, ItemResult, PrefixState, cut_chunks, pack_items
from core.states import ChunkState
from db.changes import note_change
from db.claims import Claim
from db.clock import current_ms, now_ms
from db.jobs import finish_if_done
from db.result_rows import insert_rows
from db.tables import Chunk, Job


def store_page(
    session: Session,
    claim: Claim,
    inputs: Sequence[tuple[InputKind, str]],
    state: PrefixState,
    *,
    chunk_size: int,
    most: int,
) -> None:
    """Store what a page held, and the place behind it.

    Args:
        claim: on the prefix's chunk.
        inputs: kind and reference of each photo.
        state: of the prefix, behind the page.
        most: inputs that the job may have.

    Raises:
        LeaseLost: the chunk is no longer ours; nothing was stored.
        OverflowError: they are more than `most`; the transaction must be given up.
    """
    prefix = replace(claim.items[0], ref=state.ref)
    turn, queue = _fenced(session, claim, inputs=pack_items([prefix]), attempts=1)
    if not inputs:
        return
    counted = {"total": Job.total + len(inputs), "next_seq": Job.next_seq + len(inputs), "version": Job.version + 1}
    behind = session.scalars(update(Job).where(Job.id == claim.job_id).values(counted).returning(Job.next_seq)).one()
    if behind > most:
        raise OverflowError
    note_change(session, claim.job_id)
    first = behind - len(inputs)
    items = (InputItem(seq, str(seq), kind, ref) for seq, (kind, ref) in enumerate(inputs, first))
    now = session.execute(select(now_ms())).scalar_one()
    rows = [
        {
            "job_id": claim.job_id, "tenant_id": claim.tenant_id, "queue": queue, "priority": claim.priority,
            "turn": turn + 1 + chunk.first_seq // chunk_size, "first_seq": chunk.first_seq, "last_seq": chunk.last_seq,
            "size": chunk.size, "inputs": chunk.blob, "state": ChunkState.PENDING, "token": 0, "attempts": 0,
            "alone": False, "created_at": now,
        }
        for chunk in cut_chunks(items, chunk_size)
    ]  # fmt: skip
    session.execute(insert(Chunk), rows)


def put_back(session: Session, claim: Claim) -> None:
    """Let somebody else go on behind the last page; raises LeaseLost as `store_page`."""
    _fenced(session, claim, state=ChunkState.PENDING, attempts=0, worker=None, lease_until=None)


def end_listing(session: Session, claim: Claim, state: PrefixState, error: ItemError | None) -> None:
    """A prefix is listed to its end, or will not be: then it is an input that failed, and a retry goes on with it.

    Raises:
        LeaseLost: as `store_page`.
    """
    _fenced(session, claim, state=ChunkState.DONE, lease_until=None)
    values: dict[str, Any] = {"listings": Job.listings - 1, "version": Job.version + 1}
    if error is not None:
        values |= {"total": Job.total + 1, "failed": Job.failed + 1}
        insert_rows(
            session,
            claim.job_id,
            [ItemResult(replace(claim.items[0], ref=state.ref), error=error)],
            current_ms(session),
        )
    session.execute(update(Job).where(Job.id == claim.job_id).values(values))
    note_change(session, claim.job_id)
    finish_if_done(session, claim.job_id)


def _fenced(session: Session, claim: Claim, **values: Any) -> tuple[int, str]:
    """Change the prefix's chunk if it is ours; returns its turn and its queue."""
    ours = (Chunk.id == claim.chunk_id, Chunk.token == claim.token, Chunk.state == ChunkState.LEASED)
    change = update(Chunk).where(*ours).values(**values).returning(Chunk.turn, Chunk.queue)
    found = session.execute(change.execution_options(synchronize_session=False)).one_or_none()
    if found is None:
        raise LeaseLost(claim.chunk_id)
    return found.turn, found.queue
