"""Reading results, in input order."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core.states import ChunkState
from db.engine import Database
from db.tables import Chunk, Result

Row = dict[str, Any]
# Values instead of objects of the session, which would take as long as all the rest of an export.
COLUMNS = (
    Result.item_id, Result.seq, Result.state, Result.input, Result.outputs, Result.media,
    Result.error_code, Result.error_message, Result.error_permanent,
)  # fmt: skip


def first_open(session: Session, job_id: str) -> int | None:
    """The lowest seq that may still get a result, or None if all have theirs. Below it nothing changes any more."""
    unfinished = [ChunkState.PENDING, ChunkState.LEASED, ChunkState.CANCELLED]
    return session.execute(
        select(func.min(Chunk.first_seq)).where(Chunk.job_id == job_id, Chunk.state.in_(unfinished))
    ).scalar_one()


def page_results(
    session: Session, job_id: str, *, after: int = -1, limit: int = 100, state: str | None = None
) -> list[Row]:
    """Up to `limit` results whose seq is above `after`, by seq; optionally of one state only."""
    query = select(*COLUMNS).where(Result.job_id == job_id, Result.seq > after)
    if state is not None:
        query = query.where(Result.state == state)
    return [view(row) for row in session.execute(query.order_by(Result.seq).limit(limit))]


def some_results(session: Session, job_id: str, seqs: Collection[int]) -> list[Row]:
    """Those of these results that there are, by seq."""
    query = select(*COLUMNS).where(Result.job_id == job_id, Result.seq.in_(seqs))
    return [view(row) for row in session.execute(query.order_by(Result.seq))]


def stream_results(database: Database, job_id: str, *, state: str | None = None, page: int = 500) -> Iterator[Row]:
    """All results of a job by seq, read page by page: constant memory, and no transaction held between pages."""
    after = -1
    while True:
        with database.read() as session:
            rows = page_results(session, job_id, after=after, limit=page, state=state)
        yield from rows
        if len(rows) < page:
            return
        after = rows[-1]["seq"]


def view(row: Any) -> Row:
    """A result as clients see it, from the values of `COLUMNS`."""
    item_id, seq, state, given, outputs, media, code, message, permanent = row
    return {
        "id": item_id,
        "seq": seq,
        "state": state,
        "input": given,
        "outputs": outputs,
        "media": media,
        "error": None if code is None else {"code": code, "message": message, "permanent": permanent},
    }
