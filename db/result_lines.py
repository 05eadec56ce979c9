"""Results as lines of JSON, in input order. What the database keeps as JSON is passed through as its text, where that
is what `json` would write of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from json.encoder import encode_basestring as quoted
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, select, type_coerce
from sqlalchemy.orm import InstrumentedAttribute

from db.engine import Database
from db.tables import Result

FIRST_PAGE, LEAST_PAGE, MOST_PAGE = 100, 100, 5000  # rows
PAGE_BYTES, ROW_BYTES = 1 << 20, 200  # what a row takes beside its input and outputs


def stream_lines(database: Database, job_id: str, *, state: str | None = None) -> Iterator[bytes]:
    """All results of a job as NDJSON, about a megabyte at a time.

    The bytes are those of `json.dumps(row, ensure_ascii=False)` for each row of `db.results.stream_results`.
    """
    line = _lines(odd_json(database))
    for rows in stream_texts(database, job_id, state=state):
        yield "".join([line(row) for row in rows]).encode()


def stream_texts(database: Database, job_id: str, *, state: str | None = None) -> Iterator[Sequence[Any]]:
    """All results of a job, about a megabyte at a time: constant memory, and no transaction held in between.

    Rows of the columns of `db.results.COLUMNS`, but their JSON is text, or None where there is none.
    """
    query = _query(database, job_id, state)
    after, page = -1, FIRST_PAGE
    while True:
        with database.read() as session:
            rows = session.execute(query.where(Result.seq > after).limit(page)).all()
        if not rows:
            return
        yield rows
        if len(rows) < page:
            return
        after = rows[-1][1]
        size = sum(ROW_BYTES + len(row[3]) + len(row[4] or "") for row in rows)
        page = max(LEAST_PAGE, min(MOST_PAGE, PAGE_BYTES * len(rows) // size))


def odd_json(database: Database) -> str:
    """Text with this in it may be another than the one that `json.dumps(..., ensure_ascii=False)` would write."""
    # What is not ASCII was written with escapes; or: where Python would write an exponent
    return "\\u" if database.is_sqlite else "0.0000"


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
