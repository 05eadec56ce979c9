"""Taking chunks back from workers that fell silent, and finding the item that kills workers."""

from __future__ import annotations

import logging

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from core.errors import ItemError
from core.inputs import ItemResult, cut_chunks, unpack_items
from core.states import ChunkState
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


def _split(session: Session, chunk: Chunk, max_attempts: int) -> None:
    items = unpack_items(chunk.inputs)
    chunk.state = ChunkState.DONE
    for part in cut_chunks(items, (len(items) + 1) // 2):
        session.add(
            Chunk(
                job_id=chunk.job_id, tenant_id=chunk.tenant_id, queue=chunk.queue, priority=chunk.priority,
                first_seq=part.first_seq, last_seq=part.last_seq, size=part.size, inputs=part.blob,
                state=ChunkState.PENDING, token=0, attempts=max_attempts - 1, alone=False,
                turn=chunk.turn, created_at=chunk.created_at,
            )
        )  # fmt: skip


def _fail_alone(session: Session, chunk: Chunk) -> None:
    chunk.state = ChunkState.DONE
    session.flush()
    error = ItemError("worker_crashed", "The worker died each time it was given this input; look at the input.")
    results = [ItemResult(item, error=error) for item in unpack_items(chunk.inputs)]
    write_results(session, chunk.job_id, results)
    finish_if_done(session, chunk.job_id)
