"""Exported lines hold the bytes that each row had as JSON, though what the database keeps is passed through."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import insert

from core.states import ItemState
from db import result_lines
from db.engine import Database
from db.result_lines import stream_lines
from db.results import stream_results
from db.tables import Result
from tests.support.jobs import make_job

ODD = [
    "", "é ü 😀 \u2028 \ufeff \uffff", 'a"b\\c/\b\f\n\r\t', "\x01\x1f\x7f\x80", "\\u0041 \\\\u", "</script>", "0.0000",
    0, -0.0, 0.0, 1.0, 0.5, -1.5, 0.1, 1 / 3, 0.0001, 0.00001, 1e-7, -2.5e-9, 5e-324, 1e16, 1.7976931348623157e308,
    2**53 + 1, -(10**30), True, False, None, [], {}, [[]], [None, {"": []}], {"b": 1, "aa": 2, "a": {"ü": [1, 2.50]}},
]  # fmt: skip


def odd_rows(job: str) -> list[dict[str, Any]]:
    blank = {"job_id": job, "state": ItemState.SUCCEEDED, "error_code": None, "error_message": None,
             "error_permanent": None, "finished_at": 1}  # fmt: skip
    texts = [value for value in ODD if isinstance(value, str)]
    rows = [
        {**blank, "input": {"url": texts[at % len(texts)]}, "outputs": {"tag": value}, "media": {"x": [value]},
         "item_id": texts[at % len(texts)]} for at, value in enumerate(ODD)
    ]  # fmt: skip
    failed = {**blank, "input": {"s3_prefix": "s3://b/ü", "after": "é"}, "outputs": None, "media": None, "item_id": "f",
              "state": ItemState.FAILED}  # fmt: skip
    rows += [{**failed, "error_code": "x", "error_message": text, "error_permanent": bool(text)} for text in texts]
    rows.append({**failed, "error_code": "x"})
    return [{**row, "seq": seq * 3} for seq, row in enumerate(rows)]


def expected(database: Database, job: str, state: str | None = None) -> bytes:
    rows = stream_results(database, job, state=state)
    return b"".join((json.dumps(row, ensure_ascii=False) + "\n").encode() for row in rows)


@pytest.mark.parametrize("page", [1, 7, 500])
def test_lines_are_what_the_rows_would_be_as_json(
    database: Database, tenant: str, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With pages of any size, none of which may skip a row or give one twice."""
    monkeypatch.setattr(result_lines, "FIRST_PAGE", page)
    monkeypatch.setattr(result_lines, "LEAST_PAGE", page)
    monkeypatch.setattr(result_lines, "MOST_PAGE", page)
    job, other = (make_job(database, tenant, items=1) for _ in range(2))
    rows = odd_rows(job)
    with database.write() as session:
        session.execute(insert(Result), [*rows, {**rows[0], "job_id": other}])
    lines = b"".join(stream_lines(database, job))
    assert lines == expected(database, job)
    assert [json.loads(line)["seq"] for line in lines.splitlines()] == [row["seq"] for row in rows]
    assert b"".join(stream_lines(database, job, state="failed")) == expected(database, job, "failed")
    assert b"".join(stream_lines(database, job, state="failed")).count(b"\n") == sum(
        row["outputs"] is None for row in rows
    )
