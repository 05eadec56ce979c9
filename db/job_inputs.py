"""The inputs of a job that have no result yet."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.inputs import InputItem, unpack_items
from core.states import ChunkState
from db.tables import Chunk

UNFINISHED = (ChunkState.PENDING, ChunkState.LEASED)


def waiting_inputs(session: Session, job_id: str, *, limit: int) -> list[InputItem]:
    """The first inputs of a job's unfinished chunks, in order; some of them may have their result already."""
    some = select(Chunk.inputs).where(Chunk.job_id == job_id, Chunk.state.in_(UNFINISHED))
    found: list[InputItem] = []
    for blob in session.scalars(some.order_by(Chunk.first_seq).execution_options(yield_per=4)):
        found += [item for item in unpack_items(blob) if item.kind != "s3_prefix"]
        if len(found) >= limit:
            break
    return found[:limit]
