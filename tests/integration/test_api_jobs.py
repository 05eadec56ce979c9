"""Reading, stopping, retrying and removing jobs, and reading their results."""

from __future__ import annotations

import csv
import io
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update

from api.http.places import Places
from api.services import KEY
from core.errors import ItemError, NotFound
from core.inputs import ItemResult
from db import workers
from db.claims import claim_chunk
from db.clock import now_ms
from db.engine import Database
from db.store import store_results
from db.tables import Job
from tests.support.api import Caller
from tests.support.jobs import claim, must_claim, successes
from tests.support.waiting import until


def finish(database: Database, bad: set[int] = frozenset()) -> None:  # type: ignore[assignment]
    """Do what a worker does, until nothing is left; the items whose seq is in `bad` fail."""
    while True:
        with database.write() as session:
            claim = claim_chunk(session, queue="image", worker="w", lease_ms=60_000)
        if claim is None:
            return
        output = {"classify": {"labels": [{"label": "=tabby", "score": 0.5}], "model": "m@1.0.0"}}
        media = {"sha256": "00", "width": 4, "height": 3, "bytes": 9}
        error = ItemError("fetch_http_404", "gone")
        results = [
            ItemResult(item, error=error) if item.seq in bad else ItemResult(item, output, media)
            for item in claim.items
        ]
        with database.write() as session:
            store_results(session, claim, results)


def finish_next(database: Database) -> None:
    """Wait for a chunk, and finish it."""
    claimed = until(lambda: claim(database), what="a chunk")
    with database.write() as session:
        store_results(session, claimed, successes(claimed))


def test_a_job_is_read_with_an_etag(acme: Caller, database: Database) -> None:
    job = acme.submit(["http://a/1"])
    path = f"/v1/jobs/{job['id']}"
    first = acme.get(path)
    assert first.headers["ETag"] == 'W/"1"'
    assert acme.get(path, If_None_Match='W/"1"').status_code == 304
    assert acme.get(path, If_None_Match='"1", "7"').status_code == 304
    finish(database)
    done = acme.get(path, If_None_Match='W/"1"')
    assert done.status_code == 200
    assert done.json["state"] == "completed"
    assert done.json["progress"] == 1.0
    assert done.json["finished_at"].endswith("Z")
    assert "Retry-After" not in done.headers


def test_the_time_left_after_a_retry_is_guessed_from_the_pace_since_then(acme: Caller, database: Database) -> None:
    """Eight items were done before. Counted in, they would make the second run look thrice as fast as it is."""
    with database.write() as session:
        workers.beat(session, "w1", [])
    path = f"/v1/jobs/{acme.submit([f'http://a/{n}' for n in range(20)])['id']}"

    def started_seconds_ago(seconds: int) -> None:
        with database.write() as session:
            session.execute(update(Job).values(started_at=now_ms() - 1000 * seconds))

    finish(database, bad=set(range(8, 20)))
    assert acme.send("POST", f"{path}/retry").json["eta_seconds"] is None
    claims = [must_claim(database) for _ in range(3)]
    started_seconds_ago(10)
    running = acme.get(path).json
    assert (running["state"], running["counts"]["succeeded"], running["eta_seconds"]) == ("running", 8, None)
    with database.write() as session:
        store_results(session, claims[0], successes(claims[0]))
    assert 20 <= acme.get(path).json["eta_seconds"] < 60  # 8 left, 4 done in the 10 s and what this test takes
    started_seconds_ago(-10)  # the database's clock is ahead of ours
    assert acme.get(path).json["eta_seconds"] is None


def test_waiting_ends_with_the_job_and_not_before_a_client_must(acme: Caller, database: Database) -> None:
    path = f"/v1/jobs/{acme.submit(['http://a/1'])['id']}"
    waited = acme.get(path, Prefer="respond-async, wait=1")
    assert waited.headers["Preference-Applied"] == "wait=1"
    assert waited.json["state"] == "queued"
    assert acme.get(path, Prefer="wait=60", If_None_Match='W/"0"').json["state"] == "queued"  # it has changed
    finish(database)
    assert acme.get(path, Prefer="wait=500").headers["Preference-Applied"] == "wait=50"


def test_whoever_submits_can_wait_for_the_end(acme: Caller, database: Database) -> None:
    """Fails if the answer does not come with the end, is another than 202, or makes a second job."""
    body, wait = {"tasks": ["classify"], "inputs": ["http://a/1"]}, {"Prefer": "wait=20", "Idempotency-Key": "w"}
    with ThreadPoolExecutor(1) as worker:
        worked = worker.submit(finish_next, database)
        done = acme.send("POST", "/v1/jobs", wait, json=body)
        worked.result()
    assert (done.status_code, done.json["state"], done.json["counts"]["succeeded"]) == (202, "completed", 1)
    assert done.headers["Preference-Applied"] == "wait=20"
    assert done.headers["Location"].endswith(done.json["id"])
    again = acme.send("POST", "/v1/jobs", wait, json=body)
    assert (again.json["id"], again.json["state"]) == (done.json["id"], "completed")
    assert (again.headers["Idempotent-Replayed"], again.headers["Preference-Applied"]) == ("true", "wait=20")
    late = acme.send("POST", "/v1/jobs", {"Prefer": "wait=1"}, json=body)
    assert (late.status_code, late.json["state"], late.headers["Preference-Applied"]) == (202, "queued", "wait=1")
    assert len(acme.jobs()) == 2


def test_a_wait_that_has_no_place_is_no_refusal(app: Flask, acme: Caller) -> None:
    """Fails if a job that was accepted is answered as if it were not."""
    app.extensions[KEY] = replace(app.extensions[KEY], places=Places(1))
    held = app.extensions[KEY].places.enter("somebody")
    done = acme.send("POST", "/v1/jobs", {"Prefer": "wait=20"}, json={"tasks": ["classify"], "inputs": ["http://a/1"]})
    assert (done.status_code, done.json["state"]) == (202, "queued")
    assert "Preference-Applied" not in done.headers
    held.leave()


def test_a_stream_is_whole_under_a_server_that_knows_nothing_of_waiting(acme: Caller, database: Database) -> None:
    """The tests' own server is plain WSGI: the request's thread waits there."""
    path = f"/v1/jobs/{acme.submit(['http://a/1'])['id']}/events"
    with ThreadPoolExecutor(1) as worker:
        worked = worker.submit(finish_next, database)
        answer = acme.get(path)
        told = answer.text
        answer.close()  # as a server does when it has sent everything
        worked.result()
    assert told.startswith("retry: 2000\n\nevent: progress\nid: 1\n")
    assert told.count("event: finished\n") == 1
    assert told.index("event: finished\n") > told.rindex("event: progress\n")
    assert acme.get("/metrics").text.count("tagline_http_waiting 0.0") == 1


def test_jobs_are_listed_newest_first_by_page(acme: Caller, rival: Caller, database: Database) -> None:
    made = [acme.submit(["http://a/1"])["id"] for _ in range(5)]
    rival.submit(["http://b/1"])
    seen: list[str] = []
    path: str | None = "/v1/jobs?limit=2"
    while path:
        page = acme.get(path).json
        seen += [job["id"] for job in page["data"]]
        path = f"/v1/jobs?limit=2&cursor={page['next_cursor']}" if page["next_cursor"] else None
    assert sorted(seen) == sorted(made)
    assert seen == sorted(seen, reverse=True)
    finish(database)
    assert acme.get("/v1/jobs?state=queued").json["data"] == []
    assert len(acme.get("/v1/jobs?state=completed").json["data"]) == 5


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=x", "state=odd", "cursor=", "cursor=from-1", "x=1"])
def test_odd_list_parameters_are_refused(acme: Caller, query: str) -> None:
    assert acme.get(f"/v1/jobs?{query}").status_code == 422


def test_results_come_in_input_order_by_page(acme: Caller, database: Database) -> None:
    job = acme.submit([{"id": f"p{n}", "url": f"http://a/{n}"} for n in range(10)])
    finish(database, bad={3})
    path = f"/v1/jobs/{job['id']}/results"
    first = acme.get(f"{path}?limit=6").json
    second = acme.get(f"{path}?limit=6&cursor={first['next_cursor']}").json
    rows = first["data"] + second["data"]
    assert [row["id"] for row in rows] == [f"p{n}" for n in range(10)]
    assert second["next_cursor"] is None
    assert rows[3]["error"] == {"code": "fetch_http_404", "message": "gone", "permanent": True}
    assert [row["seq"] for row in acme.get(f"{path}?state=failed").json["data"]] == [3]
    for query in ("limit=1001", "cursor=after-x", "cursor=%00", "state=queued"):
        assert acme.get(f"{path}?{query}").status_code == 422


def test_results_stream_as_ndjson_and_csv(acme: Caller, database: Database) -> None:
    job = acme.submit([f"http://a/{n}" for n in range(10)])
    finish(database, bad={3})
    path = f"/v1/jobs/{job['id']}/results"
    lines = acme.get(path, Accept="application/x-ndjson").text.splitlines()
    assert [json.loads(line)["seq"] for line in lines] == list(range(10))
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(acme.get(path, Accept="text/csv").text)))
    assert [int(row["seq"]) for row in rows] == list(range(10))
    assert rows[0]["label"] == "'=tabby"  # no formula for a spreadsheet
    assert rows[3]["error_code"] == "fetch_http_404"
    assert len(acme.get(f"{path}?state=failed", Accept="text/csv").text.splitlines()) == 2
    assert acme.get(path, Accept="image/png").json["code"] == "not_acceptable"
    assert acme.get(path, Accept="*/*").content_type == "application/json"
    assert acme.send("HEAD", path, {"Accept": "text/csv"}).data == b""


def test_results_of_a_job_that_is_removed_meanwhile_do_not_end_as_if_whole(acme: Caller, database: Database) -> None:
    """Fails if a stream ends in order when the rows it was still to give may be gone."""
    job = acme.submit([f"http://a/{n}" for n in range(101)])
    finish(database)
    blocks = acme.get(f"/v1/jobs/{job['id']}/results", Accept="application/x-ndjson").iter_encoded()
    assert len(next(blocks).splitlines()) == 100
    assert acme.send("DELETE", f"/v1/jobs/{job['id']}").status_code == 204
    with pytest.raises(NotFound):
        list(blocks)


def test_a_cancelled_job_shows_its_cancelled_items(acme: Caller) -> None:
    job = acme.submit(["http://a/1", "http://a/2"])
    answer = acme.send("POST", f"/v1/jobs/{job['id']}/cancel")
    assert answer.json["state"] == "cancelled"
    rows = acme.get(f"/v1/jobs/{job['id']}/results").json["data"]
    assert [row["state"] for row in rows] == ["cancelled", "cancelled"]
    assert acme.send("POST", f"/v1/jobs/{job['id']}/cancel").status_code == 200
    assert acme.send("POST", f"/v1/jobs/{job['id']}/retry").json["code"] == "nothing_to_retry"


def test_retrying_runs_only_what_failed(acme: Caller, database: Database) -> None:
    path = f"/v1/jobs/{acme.submit([f'http://a/{n}' for n in range(5)])['id']}"
    assert acme.send("POST", f"{path}/retry").json["code"] == "job_not_finished"
    finish(database, bad={1, 2})
    answer = acme.send("POST", f"{path}/retry")
    assert answer.status_code == 202
    assert answer.json["counts"]["pending"] == 2
    finish(database)
    assert acme.get(path).json["counts"]["succeeded"] == 5
    assert acme.send("POST", f"{path}/cancel").json["code"] == "job_finished"


def test_other_peoples_things_do_not_exist(acme: Caller, rival: Caller, database: Database) -> None:
    job = acme.submit(["http://a/1"], webhook={"url": "https://hooks.example/x"})
    finish(database)
    path = f"/v1/jobs/{job['id']}"
    [delivery] = acme.get(f"{path}/deliveries").json["data"]
    for method, place in [
        ("GET", ""), ("GET", "/events"), ("GET", "/results"), ("GET", "/deliveries"),
        ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", ""),
    ]:  # fmt: skip
        answer = rival.send(method, path + place)
        assert (answer.status_code, answer.json["code"]) == (404, "job_not_found"), place
    again = f"/v1/deliveries/{delivery['id']}/redeliver"
    assert rival.send("POST", again).status_code == 404
    assert acme.send("POST", again).status_code == 202
    assert acme.get("/v1/webhook-secret").json["secret"].startswith("whsec_")


def test_a_removed_job_is_gone(acme: Caller) -> None:
    path = f"/v1/jobs/{acme.submit(['http://a/1'])['id']}"
    assert acme.send("DELETE", path).status_code == 204
    assert acme.get(path).status_code == 404
    assert acme.send("DELETE", path).status_code == 404


@pytest.mark.parametrize("header", [{}, {"Authorization": "Bearer nope"}, {"Authorization": "Basic eA=="}])
def test_without_a_key_nothing_below_v1_answers(acme: Caller, header: dict[str, str]) -> None:
    for path in ("/v1/jobs", "/v1/nowhere", "/v1"):
        answer = acme.client.get(path, headers=header)
        assert (answer.status_code, answer.json["code"]) == (401, "unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_odd_paths_and_methods_are_problems(acme: Caller) -> None:
    for path in ("/v1/jobs/%00", "/v1/jobs/x", "/nowhere", "/v1/jobs/%FF%FE"):
        answer = acme.get(path)
        assert (answer.status_code, answer.json["code"]) == (404, "not_found")
    answer = acme.send("PUT", "/v1/jobs")
    assert (answer.status_code, answer.json["code"]) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


def test_a_finished_job_that_was_seen_ends_its_stream(acme: Caller, database: Database) -> None:
    path = f"/v1/jobs/{acme.submit(['http://a/1'])['id']}"
    finish(database)
    events = acme.get(f"{path}/events").text
    version = acme.get(path).headers["ETag"].split('"')[1]
    assert f"event: finished\nid: {version}\n" in events
    assert acme.get(f"{path}/events", Last_Event_ID=version).status_code == 204
