"""Rows of results, many in one statement: past what would look at every value again, for a chunk may hold a thousand.

What is written is what SQLAlchemy writes: JSON as it spells it, and its null where there are no outputs or media.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from json.encoder import encode_basestring_ascii as quoted
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from core.inputs import InputItem, ItemResult
from db.messages import storable
from db.upsert import on_sqlite

TYPES = {
    "seq": "bigint", "item_id": "text", "state": "text", "input": "jsonb", "outputs": "jsonb", "media": "jsonb",
    "error_code": "text", "error_message": "text", "error_permanent": "boolean",
}  # fmt: skip
_FOUND = [f"coalesce(r.{name}, 'null')" if kind == "jsonb" else f"r.{name}" for name, kind in TYPES.items()]
ON_SQLITE = f"INSERT INTO results ({', '.join(TYPES)}, job_id, finished_at) VALUES (?{', ?' * (len(TYPES) + 1)})"
# One document for all rows: for arrays psycopg would look at every character. A jsonb's null becomes SQL's on the way.
ON_POSTGRESQL = text(
    f"INSERT INTO results ({', '.join(TYPES)}, job_id, finished_at) "
    f"SELECT {', '.join(_FOUND)}, :job_id, :now "
    f"FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS r({', '.join(' '.join(column) for column in TYPES.items())})"
)
# What models gave holds no cycles; to look for them takes half the time.
_as_json = json.JSONEncoder(check_circular=False).encode


def insert_rows(session: Session, job_id: str, results: Sequence[ItemResult], now: int) -> None:
    """Insert results of a job that has none of these items yet, without counting them; `now` by the database's
    clock."""
    connection, rows = session.connection(), [_row(result) for result in results]
    if not rows:
        return
    if on_sqlite(session):
        connection.exec_driver_sql(ON_SQLITE, [(*row, job_id, now) for row in rows])
    else:
        connection.execute(ON_POSTGRESQL, {"rows": _document(rows), "job_id": job_id, "now": now})


def _row(result: ItemResult) -> tuple[Any, ...]:
    """The values of a row, in the order of `TYPES`."""
    item, error = result.item, result.error
    said = (None, None, None) if error is None else (error.code, storable(error.message), error.permanent)
    media = "null" if result.media is None else _as_json(result.media)
    return (item.seq, item.id, result.state.value, _input(item), _as_json(result.outputs), media, *said)


def _document(rows: Sequence[tuple[Any, ...]]) -> str:
    """The rows as JSON; what is JSON already goes in as it is, and what is missing is null."""
    return f"[{', '.join([_object(*row) for row in rows])}]"


def _object(seq: int, item_id: str, state: str, input: str, outputs: str, media: str, *said: Any) -> str:
    code, message, permanent = map(_as_json, said) if said[0] is not None else ("null", "null", "null")
    return (
        f'{{"seq": {seq}, "item_id": {quoted(item_id)}, "state": "{state}", "input": {input}, "outputs": {outputs}, '
        f'"media": {media}, "error_code": {code}, "error_message": {message}, "error_permanent": {permanent}}}'
    )


def _input(item: InputItem) -> str:
    if item.kind == "s3_prefix":
        return _as_json(item.public())
    return f'{{"{item.kind}": {quoted(item.ref)}}}'
