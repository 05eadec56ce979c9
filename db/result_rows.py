"""Writing results: as values that the driver takes as they are, past what would look at every one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy.orm import Session

from core.inputs import ItemResult, groups
from db.clock import current_ms
from db.messages import storable

# Column, and its type on PostgreSQL, which could not tell it from a column of nulls.
_COLUMNS: Final = {
    "job_id": "varchar", "seq": "bigint", "item_id": "text", "state": "varchar", "input": "jsonb", "outputs": "jsonb",
    "media": "jsonb", "error_code": "varchar", "error_message": "text", "error_permanent": "boolean",
    "finished_at": "bigint",
}  # fmt: skip
_INSERT: Final = f"INSERT INTO results ({', '.join(_COLUMNS)}) VALUES "
_SQLITE_ROW: Final = f"({', '.join('?' * len(_COLUMNS))})"
_POSTGRESQL_ROW: Final = f"({', '.join(f'%s::{kind}' for kind in _COLUMNS.values())})"
_AT_A_TIME = 256  # rows in one statement; PostgreSQL takes 65,535 values
_json = json.JSONEncoder().encode


def insert_rows(session: Session, job_id: str, results: Sequence[ItemResult]) -> None:
    """Insert results without counting them."""
    if not results:
        return
    now = current_ms(session)
    rows = [_row(job_id, result, now) for result in results]
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(_INSERT + _SQLITE_ROW, rows)
        return
    for some in groups(rows, _AT_A_TIME):  # one statement: a round trip for each would take longer than all of them
        statement = _INSERT + ", ".join([_POSTGRESQL_ROW] * len(some))
        connection.exec_driver_sql(statement, tuple(value for row in some for value in row))


def _row(job_id: str, result: ItemResult, now: int) -> tuple[Any, ...]:
    error = result.error
    return (
        job_id,
        result.item.seq,
        result.item.id,
        result.state.value,
        _json(result.item.public()),
        _json(result.outputs),
        _json(result.media),
        error.code if error else None,
        storable(error.message) if error else None,
        error.permanent if error else None,
        now,
    )
