"""Why items of a job failed: by code, with some examples of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from core.states import ItemState
from db.results import COLUMNS, view
from db.tables import Result


@dataclass(frozen=True, slots=True)
class FailureGroup:
    """The failed items of one code.

    Attributes:
        examples: the first of them in input order, as `db.results.view` shows them.
    """

    code: str
    count: int
    examples: tuple[dict[str, Any], ...]

    @property
    def permanent(self) -> bool:
        """Whether trying these again is pointless, going by the examples: the code alone does not say."""
        return all(example["error"]["permanent"] for example in self.examples)


def group_failures(session: Session, job_id: str, *, examples: int = 3) -> list[FailureGroup]:
    """The failed items of a job by code, the most frequent first, with the first `examples` of each.

    One pass over the rows that failed; inputs and messages are read of the examples alone.
    """
    counted = (
        select(
            Result.seq,
            func.row_number().over(partition_by=Result.error_code, order_by=Result.seq).label("place"),
            func.count().over(partition_by=Result.error_code).label("count"),
        )
        .where(Result.job_id == job_id, Result.state == ItemState.FAILED)
        .subquery()
    )
    rows = session.execute(
        select(*COLUMNS, counted.c.count)
        .join(counted, and_(Result.job_id == job_id, Result.seq == counted.c.seq))
        .where(counted.c.place <= examples)
        .order_by(counted.c.count.desc(), Result.error_code, Result.seq)
    )
    groups: dict[str, tuple[int, list[dict[str, Any]]]] = {}
    for *row, count in rows:
        shown = view(row)
        groups.setdefault(shown["error"]["code"] if shown["error"] else "", (count, []))[1].append(shown)
    return [FailureGroup(code, count, tuple(examples_of)) for code, (count, examples_of) in groups.items()]
