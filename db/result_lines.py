"""Results as lines of JSON, in input order. What the database keeps as JSON is passed through as its text, where that
is what `json` would write of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring as quoted
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from db.engine import Database
from db.tables import Result

FIRST_PAGE, LEAST_PAGE, MOST_PAGE = 100, 100, 5000  # rows
PAGE_BYTES = 1 << 20


def stream_lines(database: Database, job_id: str, *, state: str | None = None) -> Iterator[bytes]:
    """All results of a job as NDJSON, about a megabyte at a time: constant memory, and no transaction held in between.

    The bytes are those of `json.dumps(row, ensure_ascii=False)` for each row of `db.results.stream_results`.
    """
    query = _query(database, job_id, state)
    line = _line_sqlite if database.is_sqlite else _line_postgresql
    after, page = -1, FIRST_PAGE
    while True:
        with database.read() as session:
            rows = session.execute(query.where(Result.seq > after).limit(page)).all()
        if not rows:
            return
        block = "".join([line(row) for row in rows]).encode()
        yield block
        if len(rows) < page:
            return
        after = rows[-1][1]
        page = max(LEAST_PAGE, min(MOST_PAGE, PAGE_BYTES * len(rows) // len(block)))


def _query(database: Database, job_id: str, state: str | None) -> Select[Any]:
    as_text = _stored if database.is_sqlite else _cast
    columns: list[Any] = [Result.item_id, Result.seq, Result.state]
    columns += [as_text(column) for column in (Result.input, Result.outputs, Result.media)]
    columns += [Result.error_code, Result.error_message, Result.error_permanent]
    query = select(*columns).where(Result.job_id == job_id)
    return (query if state is None else query.where(Result.state == state)).order_by(Result.seq)


def _stored(column: InstrumentedAttribute[Any]) -> ColumnElement[str | None]:
    """SQLite keeps JSON as the text that was written."""
    return type_coerce(column, Text)


def _cast(column: InstrumentedAttribute[Any]) -> ColumnElement[str | None]:
    """PostgreSQL writes jsonb as `json` does: the same spaces, and the same escapes."""
    return cast(column, Text)


def _lines(odd: str) -> Callable[[Any], str]:
    """A function that writes one line of a row; documents that hold `odd` are read and written once more."""

    def document(text: str | None) -> str:
        if text is None:
            return "null"
        return json.dumps(json.loads(text), ensure_ascii=False) if odd in text else text

    def line(row: Any) -> str:
        item_id, seq, state, given, outputs, media, code, message, permanent = row
        error = "null" if code is None else _error(code, message, permanent)
        return (
            f'{{"id": {quoted(item_id)}, "seq": {seq}, "state": {quoted(state)}, "input": {document(given)}, '
            f'"outputs": {document(outputs)}, "media": {document(media)}, "error": {error}}}\n'
        )

    return line


def _error(code: str, message: str | None, permanent: bool | None) -> str:
    return json.dumps({"code": code, "message": message, "permanent": permanent}, ensure_ascii=False)


_line_sqlite = _lines("\\u")  # what is not ASCII was written with escapes
_line_postgresql = _lines("0.0000")  # where Python would write an exponent
