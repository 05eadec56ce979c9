"""The inputs of a job that have no result yet."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from core.inputs import InputItem, unpack_items
from core.states import ChunkState
from db.tables import Chunk

AT_A_TIME = 4  # chunks
UNFINISHED = (ChunkState.PENDING, ChunkState.LEASED)


def waiting_inputs(session: Session, job_id: str, *, limit: int) -> list[InputItem]:
    """The first inputs of a job's unfinished chunks, in order; some of them may have their result already."""
    found: list[InputItem] = []
    after = -1
    while len(found) < limit:
        some = select(Chunk.last_seq, Chunk.inputs).where(
            Chunk.job_id == job_id, Chunk.state.in_(UNFINISHED), Chunk.first_seq > after
        )
        rows = session.execute(some.order_by(Chunk.first_seq).limit(AT_A_TIME)).all()
        found += [item for row in rows for item in unpack_items(row.inputs) if item.kind != "s3_prefix"]
        if len(rows) < AT_A_TIME:
            break
        after = rows[-1].last_seq
    return found[:limit]
