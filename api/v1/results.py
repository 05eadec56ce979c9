"""Results: pages of JSON, or everything as a stream of NDJSON or CSV, always in input order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.operations import Answer, Operation, describe
from api.document.schemas import ResultPage
from api.http.answers import answer, negotiate
from api.http.auth import caller
from api.http.compression import compressed, wants_gzip
from api.http.cursors import RESULTS, after_seq, read_seq
from api.http.queries import choice_parameter, int_parameter
from api.services import services
from api.v1.result_csv import csv_rows
from core.errors import RequestError
from core.states import ItemState
from db.engine import Database
from db.jobs import find_job
from db.result_lines import odd_json, stream_lines, stream_texts
from db.results import Row, first_open, page_results, stream_results

blueprint = Blueprint("results", __name__)
JSON, NDJSON, JSONL, CSV = "application/json", "application/x-ndjson", "application/jsonl", "text/csv"
STATES = tuple(ItemState)
POLL_AFTER_S = "2"


@blueprint.get("/v1/jobs/<id:job_id>/results")
@describe(
    Operation(
        "Read a job's results",
        "results",
        {
            200: Answer(
                "A page as JSON; all of them as NDJSON or CSV.",
                ResultPage,
                bodies={NDJSON: {"type": "string"}, JSONL: {"type": "string"}, CSV: {"type": "string"}},
            )
        },
        description="Choose with `Accept`. While the job runs, pages end before the first item that has no result yet, "
        "with a cursor to go on from; `next_cursor` is null when nothing more will come. The streams hold every result "
        "there is at the time and take `state` only; CSV also `bom=true`, for Excel. CSV of a job with several tasks "
        "has the columns `TASK_label` and `TASK_score` for each.",
        parameters=(parameters.limit(1000, 100), parameters.cursor(RESULTS), parameters.state(STATES), parameters.BOM),
        problems=("job_not_found", "parameter_invalid", "not_acceptable"),
    )
)
def index(job_id: str) -> Response:
    form = negotiate(JSON, NDJSON, JSONL, CSV)
    limit = int_parameter(request.args, "limit", 1, 1000, 100)
    state = choice_parameter(request.args, "state", STATES)
    cursor = request.args.get("cursor")
    after = read_seq(cursor) if cursor is not None else -1
    bom = choice_parameter(request.args, "bom", ("true", "false")) == "true"
    with services().database.read() as session:
        tasks = find_job(session, caller().tenant_id, job_id).tasks
        if form == JSON:
            return _vary(_page(session, job_id, after, limit, state))
    for name in ("limit", "cursor"):
        if name in request.args:
            raise RequestError("parameter_invalid", f"{form} streams everything; leave it out.", where=name)
    database, tenant_id, table = services().database, caller().tenant_id, form == CSV
    if table:
        body = every_cell(database, tenant_id, job_id, tasks, state, bom=bom)
    else:
        body = every_line(database, tenant_id, job_id, state)
    response = Response(compressed(body), content_type=f"{CSV}; charset=utf-8" if table else form)
    if wants_gzip():
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Content-Disposition"] = f'inline; filename="{job_id}.{"csv" if table else "ndjson"}"'
    return _vary(response)


def _page(session: Any, job_id: str, after: int, limit: int, state: str | None) -> Response:
    """A page. While the job runs it ends before the first item without a result, and there is always a next cursor:
    whoever follows the cursors sees every result once, in order."""
    still_open = first_open(session, job_id)
    rows = page_results(session, job_id, after=after, limit=limit + 1, state=state)
    if still_open is not None:
        rows = [row for row in rows if row["seq"] < still_open]
    more = len(rows) > limit or still_open is not None
    last = rows[:limit][-1]["seq"] if rows else after
    response = answer({"data": rows[:limit], "next_cursor": after_seq(last) if more else None})
    if still_open is not None and len(rows) <= limit:
        response.headers["Retry-After"] = POLL_AFTER_S
    return response


def every_row(database: Database, tenant_id: str, job_id: str, state: str | None) -> Iterator[Row]:
    """All results, in input order.

    The rows of a job that is removed meanwhile go slice by slice, and what was read of them must not look like all.

    Raises:
        NotFound: at the end, `job_not_found`; the stream then breaks off.
    """
    yield from stream_results(database, job_id, state=state)
    _still_there(database, tenant_id, job_id)


def every_line(database: Database, tenant_id: str, job_id: str, state: str | None = None) -> Iterator[bytes]:
    """All results as NDJSON, in blocks of lines; ends as `every_row` does."""
    yield from stream_lines(database, job_id, state=state)
    _still_there(database, tenant_id, job_id)


def every_cell(
    database: Database, tenant_id: str, job_id: str, tasks: list[str], state: str | None = None, *, bom: bool
) -> Iterator[bytes]:
    """All results as CSV, in blocks of rows; ends as `every_row` does."""
    yield from csv_rows(stream_texts(database, job_id, state=state), tasks, odd=odd_json(database), bom=bom)
    _still_there(database, tenant_id, job_id)


def _still_there(database: Database, tenant_id: str, job_id: str) -> None:
    with database.read() as session:
        find_job(session, tenant_id, job_id)


def ndjson_lines(rows: Iterator[Row]) -> Iterator[bytes]:
    """NDJSON in blocks of some lines: a block a line would spend its time in the server."""
    block: list[str] = []
    for row in rows:
        block.append(json.dumps(row, ensure_ascii=False) + "\n")
        if len(block) >= 100:
            yield "".join(block).encode()
            block.clear()
    if block:
        yield "".join(block).encode()


def _vary(response: Response) -> Response:
    response.headers["Vary"] = "Accept, Accept-Encoding"
    return response
