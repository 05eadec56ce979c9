"""A job's results as a file: the same bytes that the API streams."""

from __future__ import annotations

import json
from collections.abc import Iterator

from flask import Response

from api.http.auth import caller
from api.http.compression import compressed, wants_gzip
from api.pages.frame.page import PageBlueprint
from api.services import services
from api.v1.results import every_cell, every_line, every_row
from db.jobs import find_job
from db.results import Row

blueprint = PageBlueprint("job_downloads")
TYPES = {"ndjson": "application/x-ndjson", "json": "application/json", "csv": "text/csv; charset=utf-8"}


@blueprint.get("/jobs/<id:job_id>/results.<any(ndjson, json, csv):form>")
def download(job_id: str, form: str) -> Response:
    tenant_id = caller().tenant_id
    with services().database.read() as session:
        tasks = find_job(session, tenant_id, job_id).tasks
    database = services().database
    if form == "ndjson":
        body = every_line(database, tenant_id, job_id)
    elif form == "csv":  # with a byte order mark: a person opens it, maybe in Excel
        body = every_cell(database, tenant_id, job_id, tasks, bom=True)
    else:
        body = json_array(every_row(database, tenant_id, job_id, None))
    response = Response(compressed(body), content_type=TYPES[form])
    if wants_gzip():
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding, Cookie"
    response.headers["Content-Disposition"] = f'attachment; filename="{job_id}.{form}"'
    return response


def json_array(rows: Iterator[Row]) -> Iterator[bytes]:
    """One JSON array of all results, a block of rows at a time."""
    yield b"["
    block: list[str] = []
    begun = False
    for row in rows:
        block.append((",\n" if begun else "\n") + json.dumps(row, ensure_ascii=False))
        begun = True
        if len(block) >= 100:
            yield "".join(block).encode()
            block.clear()
    yield ("".join(block) + "\n]\n").encode()
