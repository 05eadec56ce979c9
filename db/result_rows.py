"""Rows of results, many in one statement: past what would look at every value again, for a chunk may hold a thousand.

What is written is what SQLAlchemy writes: JSON as it spells it, and its null where there are no outputs or media.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.inputs import InputItem, ItemResult
from db.clock import current_ms
from db.messages import storable

TYPES = {
    "seq": "bigint", "item_id": "text", "state": "text", "input": "jsonb", "outputs": "jsonb", "media": "jsonb",
    "error_code": "text", "error_message": "text", "error_permanent": "boolean",
}  # fmt: skip
NAMES = ", ".join(TYPES)
ON_SQLITE = f"INSERT INTO results ({NAMES}, job_id, finished_at) VALUES (?{', ?' * (len(TYPES) + 1)})"
_ARRAYS = ", ".join(f"CAST(:{name} AS {'text' if kind == 'jsonb' else kind}[])" for name, kind in TYPES.items())
_VALUES = ", ".join(f"CAST(r.{name} AS {kind})" for name, kind in TYPES.items())
ON_POSTGRESQL = text(
    f"INSERT INTO results ({NAMES}, job_id, finished_at) "
    f"SELECT {_VALUES}, :job_id, :now FROM unnest({_ARRAYS}) AS r({NAMES})"
)


def insert_rows(session: Session, job_id: str, results: Sequence[ItemResult]) -> None:
    """Insert results of a job that has none of these items yet, without counting them."""
    now = current_ms(session)
    rows = [_row(result) for result in results]
    connection = session.connection()
    if session.get_bind().dialect.name == "sqlite":
        connection.exec_driver_sql(ON_SQLITE, [(*row, job_id, now) for row in rows])
    elif rows:
        columns = dict(zip(TYPES, map(list, zip(*rows, strict=True)), strict=True))
        connection.execute(ON_POSTGRESQL, {**columns, "job_id": job_id, "now": now})


def _row(result: ItemResult) -> tuple[Any, ...]:
    """The values of a row, in the order of `TYPES`."""
    item, error = result.item, result.error
    said = (None, None, None) if error is None else (error.code, storable(error.message), error.permanent)
    media = "null" if result.media is None else json.dumps(result.media)
    return (item.seq, item.id, result.state.value, _input(item), json.dumps(result.outputs), media, *said)


def _input(item: InputItem) -> str:
    if item.kind == "s3_prefix":
        return json.dumps(item.public())
    return f'{{"{item.kind}": {json.dumps(item.ref)}}}'
