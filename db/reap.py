"""Taking chunks back from workers that fell silent, and finding the item that kills workers."""

from __future__ import annotations

import logging
from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import ItemError
from core.inputs import InputItem, ItemResult, cut_chunks, unpack_items
from core.states import ChunkState
from db.claims import Claim, chunk_values
from db.clock import now_ms
from db.jobs import finish_if_done
from db.store import write_results
from db.tables import Chunk

log = logging.getLogger(__name__)


def reap_leases(session: Session, *, max_attempts: int, limit: int = 100, worker: str | None = None) -> list[int]:
    """Take back the chunks of workers that fell silent; returns their ids.

    A chunk whose workers died `max_attempts` times is run alone from then on. If its worker dies even so, it is cut
    in two, again and again, until the item that kills workers is found; that one fails with `worker_crashed`.

    Args:
        worker: take back this worker's chunks whatever their lease, because it is known to be gone.
    """
    gone = Chunk.worker == worker if worker is not None else Chunk.lease_until < now_ms()
    # By job: failing an item locks its job, and two that reap must lock their jobs in the same order.
    lapsed = session.scalars(
        select(Chunk)
        .where(Chunk.state == ChunkState.LEASED, gone)
        .order_by(Chunk.job_id, Chunk.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    for chunk in lapsed:
        try:
            with session.begin_nested():
                _take_back(session, chunk, max_attempts)
        except SQLAlchemyError:  # one chunk that cannot be written must not keep the others
            log.exception("a chunk cannot be taken back", extra={"chunk": chunk.id})
    return [chunk.id for chunk in lapsed]


def _take_back(session: Session, chunk: Chunk, max_attempts: int) -> None:
    guilty = chunk.alone and chunk.attempts >= max_attempts
    chunk.token += 1
    chunk.worker = chunk.lease_until = None
    chunk.alone = False
    if not guilty:
        chunk.state = ChunkState.PENDING
    elif chunk.size > 1:
        _split(session, chunk, max_attempts)
    else:
        _fail_alone(session, chunk)
    session.flush()


def set_apart(session: Session, claim: Claim, suspects: Collection[int], *, max_attempts: int) -> None:
    """Give back a chunk some of whose items a model hung on; the others are nobody's concern and run again.

    The suspects become a chunk that is run alone. If they hung alone already, they are cut in two, again and again,
    until the item that a model hangs on is found; that one fails with `inference_hung`.

    Args:
        claim: ours; otherwise nothing happens.
        suspects: seqs of some of its items.
    """
    chunk = session.scalars(
        select(Chunk)
        .where(Chunk.id == claim.chunk_id, Chunk.token == claim.token, Chunk.state == ChunkState.LEASED)
        .with_for_update()
    ).one_or_none()
    if chunk is None:
        return
    hung = [item for item in claim.items if item.seq in suspects]
    others = [item for item in claim.items if item.seq not in suspects]
    chunk.token += 1
    chunk.worker = chunk.lease_until = None
    if others:
        chunk.state, chunk.attempts = ChunkState.PENDING, max(0, chunk.attempts - 1)
        for name, value in chunk_values(others).items():
            setattr(chunk, name, value)
    else:
        chunk.state = ChunkState.DONE
    if chunk.alone and len(hung) == 1:
        session.flush()
        message = "The model did not come to an end with this input, run alone; look at the input."
        write_results(session, chunk.job_id, [ItemResult(hung[0], error=ItemError("inference_hung", message))])
        finish_if_done(session, chunk.job_id)
    elif hung:
        _add_parts(session, chunk, hung, (len(hung) + 1) // 2 if chunk.alone else len(hung), max_attempts)
    chunk.alone = False
    session.flush()


def _split(session: Session, chunk: Chunk, max_attempts: int) -> None:
    items = unpack_items(chunk.inputs)
    chunk.state = ChunkState.DONE
    _add_parts(session, chunk, items, (len(items) + 1) // 2, max_attempts)


def _add_parts(session: Session, chunk: Chunk, items: list[InputItem], size: int, max_attempts: int) -> None:
    """Chunks of at most `size` of a chunk's items, each of which is run alone the next time."""
    for part in cut_chunks(items, size):
        session.add(
            Chunk(
                job_id=chunk.job_id, tenant_id=chunk.tenant_id, queue=chunk.queue, priority=chunk.priority,
                first_seq=part.first_seq, last_seq=part.last_seq, size=part.size, inputs=part.blob,
                state=ChunkState.PENDING, token=0, attempts=max_attempts - 1, alone=False,
                turn=chunk.turn, created_at=chunk.created_at, due_at=0,
            )
        )  # fmt: skip


def _fail_alone(session: Session, chunk: Chunk) -> None:
    chunk.state = ChunkState.DONE
    session.flush()
    error = ItemError("worker_crashed", "The worker died each time it was given this input; look at the input.")
    results = [ItemResult(item, error=error) for item in unpack_items(chunk.inputs)]
    write_results(session, chunk.job_id, results)
    finish_if_done(session, chunk.job_id)
