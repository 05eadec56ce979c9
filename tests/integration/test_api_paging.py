"""Following the cursors of a running job's results gives every result once, in order."""

from __future__ import annotations

from db.engine import Database
from db.store import store_results
from tests.support.api import Caller
from tests.support.jobs import claim, successes


def test_no_result_is_skipped_while_the_job_runs(acme: Caller, database: Database) -> None:
    inputs = [f"https://photos.example/{n}.jpg" for n in range(30)]
    job = acme.submit(inputs)["id"]
    claims = []
    while (claimed := claim(database)) is not None:
        claims.append(claimed)
    path, seen = f"/v1/jobs/{job}/results", []

    def follow(cursor: str | None) -> str | None:
        page = acme.get(path + (f"?limit=5&cursor={cursor}" if cursor else "?limit=5")).json
        seen.extend(row["seq"] for row in page["data"])
        return page["next_cursor"]

    cursor = None
    for claimed in [*claims[1:], claims[0]]:  # the first comes last
        assert seen == []
        with database.write() as session:
            store_results(session, claimed, successes(claimed))
        cursor = follow(cursor)
    for _ in range(len(inputs)):
        cursor = follow(cursor) if cursor else None
    assert cursor is None
    assert seen == list(range(30))


def test_accept_with_a_parameter_is_understood(acme: Caller) -> None:
    job = acme.submit(["https://photos.example/1.jpg"])["id"]
    for accept in ("application/json; charset=utf-8", "text/csv;header=present", "application/x-ndjson;q=0.5", "*/*"):
        assert acme.get(f"/v1/jobs/{job}/results", Accept=accept).status_code == 200
    assert acme.get(f"/v1/jobs/{job}/results", Accept="image/png").status_code == 406


def test_a_compressed_body_is_refused_with_the_reason(acme: Caller) -> None:
    headers = {"Content-Type": "text/plain", "Content-Encoding": "gzip"}
    answer = acme.send("POST", "/v1/jobs?tasks=classify", headers, data=b"https://photos.example/1.jpg")
    assert (answer.status_code, answer.json["where"]) == (415, "Content-Encoding")
