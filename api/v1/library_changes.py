"""What a run changed: pages of JSON, or everything as a stream of NDJSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.library_answers import ChangePage
from api.document.operations import Answer, Operation, Parameter, describe
from api.http.answers import answer, negotiate
from api.http.auth import caller
from api.http.compression import compressed, wants_gzip
from api.http.cursors import NUMBERS, after_number, read_number
from api.http.queries import choice_parameter, int_parameter
from api.services import services
from api.v1.result_csv import BOM, safe_cell
from api.v1.results import CSV, JSON, JSONL, NDJSON, ndjson_lines
from core.errors import RequestError
from db.engine import Database
from libraries.changes import KINDS, list_changes, stream_changes
from libraries.runs import read_run

blueprint = Blueprint("library_changes", __name__)
MOST, USUAL = 500, 100
COLUMNS = ("photo_id", "key", "kind", "outcome", "added", "removed", "kept", "caption_before", "caption_after", "why",
           "error_code", "error_message")  # fmt: skip
_BLOCK = 64 * 1024
Change = dict[str, Any]


@blueprint.get("/v1/libraries/<id:library_id>/runs/<id:run_id>/changes")
@describe(
    Operation(
        "Read what a run changed",
        "library runs",
        {
            200: Answer(
                "A page as JSON; all of it as NDJSON or CSV.",
                ChangePage,
                bodies={NDJSON: {"type": "string"}, JSONL: {"type": "string"}, CSV: {"type": "string"}},
            )
        },
        description="One entry for each photo that was not unchanged. Choose with `Accept`; the streams hold what "
        "there is at the time and take `kind` only, CSV also `bom=true`, for Excel. In CSV labels stand one a line.",
        parameters=(
            parameters.limit(MOST, USUAL),
            parameters.cursor(NUMBERS),
            Parameter("kind", {"type": "string", "enum": list(KINDS)}, "Only these."),
            parameters.BOM,
        ),
        problems=("library_not_found", "run_not_found", "parameter_invalid", "not_acceptable"),
    )
)
def index(library_id: str, run_id: str) -> Response:
    form = negotiate(JSON, NDJSON, JSONL, CSV)
    limit = int_parameter(request.args, "limit", 1, MOST, USUAL)
    kind = choice_parameter(request.args, "kind", KINDS)
    bom = choice_parameter(request.args, "bom", ("true", "false")) == "true"
    after = read_number(request.args.get("cursor"))
    mine = (caller().tenant_id, library_id, run_id)
    if form == JSON:
        with services().database.read() as session:
            found = list_changes(session, *mine, limit=limit + 1, after=after, kind=kind)
        more = after_number(found[limit - 1][0]) if len(found) > limit else None
        return _vary(answer({"data": [change for _, change in found[:limit]], "next_cursor": more}))
    for name in ("limit", "cursor"):
        if name in request.args:
            raise RequestError("parameter_invalid", f"{form} streams everything; leave it out.", where=name)
    changes = _every_change(services().database, *mine, kind)
    body = csv_lines(changes, bom=bom) if form == CSV else ndjson_lines(changes)
    response = Response(compressed(body), content_type=f"{CSV}; charset=utf-8" if form == CSV else form)
    if wants_gzip():
        response.headers["Content-Encoding"] = "gzip"
    ending = "csv" if form == CSV else "ndjson"
    response.headers["Content-Disposition"] = f'inline; filename="{run_id}.{ending}"'
    return _vary(response)


def _every_change(
    database: Database, tenant_id: str, library_id: str, run_id: str, kind: str | None
) -> Iterator[Change]:
    """All changes of a run that is there.

    Those of a library that is removed meanwhile go slice by slice, and what was read of them must not look like all.

    Raises:
        NotFound: at once; or at the end, and the stream then breaks off.
    """
    changes = stream_changes(database, tenant_id, library_id, run_id, kind=kind)

    def checked() -> Iterator[Change]:
        yield from changes
        with database.read() as session:
            read_run(session, tenant_id, library_id, run_id)

    return checked()


def csv_lines(changes: Iterator[Change], *, bom: bool = False) -> Iterator[bytes]:
    """Changes as UTF-8 CSV with a header (RFC 4180), guarded as those of results are."""
    buffer = io.StringIO(newline="")
    buffer.write(BOM if bom else "")
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for change in changes:
        writer.writerow([safe_cell(cell) for cell in _cells(change)])
        if buffer.tell() >= _BLOCK:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _cells(change: Change) -> list[Any]:
    error = change["error"] or {}
    return [
        change["photo_id"], change["key"], change["kind"], change["outcome"],
        *("\n".join(change[name]) for name in ("added", "removed", "kept")),
        change["caption"]["before"], change["caption"]["after"], change["why"],
        error.get("code"), error.get("message"),
    ]  # fmt: skip


def _vary(response: Response) -> Response:
    response.headers["Vary"] = "Accept, Accept-Encoding"
    return response
