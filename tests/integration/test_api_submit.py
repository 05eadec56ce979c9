"""Submitting: what is accepted, what is refused and how, and that a refusal leaves nothing."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from flask import Flask

from api.services import MODELS_LISTED_S
from core.artefacts import ttl_cache
from core.broker import Doorbell
from core.settings import MODELS_DIR, Settings
from db.claims import claim_chunk
from db.engine import Database
from tests.support.api import Caller

URL = "https://photos.example/a.jpg"


def test_a_json_job_is_accepted_whole(acme: Caller, database: Database) -> None:
    answer = acme.send("POST", "/v1/jobs", json={
        "tasks": ["classify"], "inputs": [URL, "s3://bucket/key.jpg", {"id": "mine", "url": "ftp://no/matter"}],
        "options": {"classify": {"top_k": 3}}, "name": "holiday", "metadata": {"a": [1, None, 2.5]},
        "webhook": {"url": "https://hooks.example/x", "secret": "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
    })  # fmt: skip
    job = answer.json
    assert answer.status_code == 202
    assert answer.headers["Location"].endswith(f"/v1/jobs/{job['id']}")
    assert answer.headers["Retry-After"]
    assert job["state"] == "queued"
    assert job["priority"] == "interactive"
    assert job["counts"] == {"total": 3, "pending": 3, "succeeded": 0, "failed": 0, "cancelled": 0}
    assert job["options"] == {"classify": {"top_k": 3, "threshold": 0.0}}
    assert job["models"]["classify"].startswith("efficientnet-lite2@")
    assert job["webhook"] == {"url": "https://hooks.example/x"}
    assert "whsec_" not in answer.text
    with database.write() as session:
        claim = claim_chunk(session, queue="image", worker="w", lease_ms=1000)
    assert claim is not None
    assert [(item.id, item.kind, item.ref) for item in claim.items] == [
        ("0", "url", URL), ("1", "s3", "s3://bucket/key.jpg"), ("mine", "url", "ftp://no/matter"),
    ]  # fmt: skip


def test_a_worker_is_rung_once_a_chunk(acme: Caller, app: Flask, redis_url: str) -> None:
    doorbell = Doorbell(Settings(redis_url=redis_url))
    before = doorbell.length("image")
    acme.submit([URL] * 9)  # in chunks of 4
    assert doorbell.length("image") == before + 3
    doorbell.close()


def test_many_inputs_are_bulk_unless_asked_otherwise(acme: Caller) -> None:
    assert acme.submit([URL] * 16)["priority"] == "interactive"
    assert acme.submit([URL] * 17)["priority"] == "bulk"
    assert acme.submit([URL] * 17, priority="interactive")["priority"] == "interactive"


def test_submissions_in_a_row_do_not_look_through_the_models_each_time(
    acme: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With many artefacts on a network drive each look is hundreds of requests to it."""
    looked: list[str] = []

    def watched(name: str) -> None:
        real = getattr(os, name)

        def watch(path: Any = ".", *args: Any, **more: Any) -> Any:
            if str(path).startswith(str(MODELS_DIR)):
                looked.append(str(path))
            return real(path, *args, **more)

        monkeypatch.setattr(os, name, watch)

    for name in ("stat", "listdir", "scandir"):
        watched(name)
    now = [1000.0]
    monkeypatch.setattr(ttl_cache, "monotonic", lambda: now[0])
    acme.submit([URL])
    assert looked
    looked.clear()
    for _ in range(5):
        acme.submit([URL])
        acme.get("/openapi.json")
        acme.get("/v1/models")
    assert looked == []
    now[0] += MODELS_LISTED_S
    acme.submit([URL])
    assert looked


FULL: dict[str, Any] = {
    "tasks": ["classify"], "inputs": [URL], "options": {}, "models": {}, "metadata": {}, "priority": "interactive",
    "name": "of the body", "webhook": {"url": "https://hooks.example/x"},
}  # fmt: skip
REFUSED: list[tuple[Any, str, str | None]] = [
    ({"inputs": [URL]}, "field_missing", "/tasks"),
    ({"tasks": ["classify"]}, "field_missing", "/inputs"),
    ({"tasks": ["classify"], "inputs": []}, "field_invalid", "/inputs"),
    ({"tasks": [], "inputs": [URL]}, "field_invalid", "/tasks"),
    ({"tasks": ["classify", "classify"], "inputs": [URL]}, "field_invalid", "/tasks/1"),
    ({"tasks": ["paint"], "inputs": [URL]}, "unknown_task", "/tasks/0"),
    ({"tasks": "classify", "inputs": [URL]}, "field_invalid", "/tasks"),
    ({"tasks": ["classify"], "inputs": [URL], "prority": "bulk"}, "field_unknown", "/prority"),
    ({"tasks": ["classify"], "inputs": [URL], "priority": "soon"}, "field_invalid", "/priority"),
    ({"tasks": ["classify"], "inputs": [""]}, "input_invalid", "/inputs/0"),
    ({"tasks": ["classify"], "inputs": [URL, 7]}, "input_invalid", "/inputs/1"),
    ({"tasks": ["classify"], "inputs": [{"url": "http://a/" + "x" * 9000}]}, "input_invalid", "/inputs/0/url"),
    ({"tasks": ["classify"], "inputs": [{"id": "x" * 201, "url": URL}]}, "input_invalid", "/inputs/0/id"),
    ({"tasks": ["classify"], "inputs": [{"id": "x"}]}, "input_invalid", "/inputs/0"),
    ({"tasks": ["classify"], "inputs": [{"url": URL, "s3": "s3://a/b"}]}, "input_invalid", "/inputs/0"),
    ({"tasks": ["classify"], "inputs": [{"url": URL, "size": 1}]}, "input_invalid", "/inputs/0/size"),
    ({"tasks": ["classify"], "inputs": [{"text": "hello"}]}, "input_kind_mismatch", "/inputs/0/text"),
    ({"tasks": ["classify"], "inputs": [{"s3_prefix": "s3://a/"}]}, "input_invalid", "/inputs/0/s3_prefix"),
    ({"tasks": ["classify"], "inputs": [{"s3_prefix": "photos/"}]}, "input_invalid", "/inputs/0/s3_prefix"),
    ({"tasks": ["classify"], "inputs": [{"s3_prefix": "s3://album/\nx"}]}, "input_invalid", "/inputs/0/s3_prefix"),
    ({"tasks": ["classify"], "inputs": [URL, {"file": "/etc/passwd"}]}, "folder_not_allowed", "/inputs/1/file"),
    ({"tasks": ["classify"], "inputs": [{"file": ""}]}, "input_invalid", "/inputs/0/file"),
    ({"tasks": ["classify"], "inputs": [{"file": "/a\0"}]}, "field_invalid", "/inputs/0/file"),
    ({"tasks": ["classify"], "inputs": [{"upload": "nope"}]}, "upload_unknown", "/inputs/0/upload"),
    ({"tasks": ["classify"], "inputs": ["http://a/\0"]}, "field_invalid", "/inputs/0"),
    ({"tasks": ["classify"], "inputs": ["http://a/\ud800"]}, "field_invalid", "/inputs/0"),
    ({"tasks": ["classify"], "inputs": [URL], "name": "a\0b"}, "field_invalid", "/name"),
    ({"tasks": ["classify"], "inputs": [URL], "name": "a\udfff"}, "field_invalid", "/name"),
    ({"tasks": ["classify"], "inputs": [URL], "name": "x" * 201}, "field_invalid", "/name"),
    ({"tasks": ["classify"], "inputs": [URL], "metadata": {"a": {"\0": 1}}}, "field_invalid", "/metadata/a"),
    ({"tasks": ["classify"], "inputs": [URL], "metadata": {"a": "x" * 20_000}}, "field_invalid", "/metadata"),
    ({"tasks": ["classify"], "inputs": [URL], "metadata": [1]}, "field_invalid", "/metadata"),
    ({"tasks": ["classify"], "inputs": [URL], "options": {"classify": {"top_k": 0}}}, "option_invalid",
     "/options/classify/top_k"),
    ({"tasks": ["classify"], "inputs": [URL], "options": {"tag": {}}}, "field_unknown", "/options/tag"),
    ({"tasks": ["classify"], "inputs": [URL], "models": {"classify": "nope"}}, "model_unknown", "/models/classify"),
    ({"tasks": ["classify"], "inputs": [URL], "models": {"classify": ""}}, "model_unknown", "/models/classify"),
    ({"tasks": ["classify"], "inputs": [URL], "webhook": {"url": "ftp://a/b"}}, "webhook_url_invalid", "/webhook/url"),
    ({"tasks": ["classify"], "inputs": [URL], "webhook": {"url": "https://a/b", "secret": "x"}},
     "webhook_secret_invalid", "/webhook/secret"),
    ([1, 2], "field_invalid", ""),
    (None, "field_invalid", ""),
]  # fmt: skip


def test_what_is_wrong_is_named_and_nothing_is_stored(acme: Caller) -> None:
    told = []
    for body, _, _ in REFUSED:
        answer = acme.send("POST", "/v1/jobs", data=json.dumps(body), content_type="application/json")
        problem = answer.json if answer.content_type == "application/problem+json" else {}
        told.append((body, answer.status_code, problem.get("code"), problem.get("where")))
    # All at once: a case that is answered wrongly must not hide those behind it.
    assert told == [(body, 422, code, where) for body, code, where in REFUSED]
    assert acme.jobs() == []


def test_several_wrong_fields_are_all_listed(acme: Caller) -> None:
    answer = acme.send("POST", "/v1/jobs", json={"tasks": 1, "inputs": [], "nope": 1})
    assert {error["where"] for error in answer.json["errors"]} == {"/tasks", "/inputs", "/nope"}


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"\xff", b'{"tasks": ["classify"], "tasks": []}', b'{"a": NaN}', b'{"a": 1e999}',
        b"[" * 50_000 + b"]" * 50_000, b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=["empty", "cut", "not UTF-8", "twice", "NaN", "huge float", "deep", "huge int"],
)  # fmt: skip
def test_what_is_no_json_is_400(acme: Caller, body: bytes) -> None:
    answer = acme.send("POST", "/v1/jobs", data=body, content_type="application/json")
    assert (answer.status_code, answer.json["code"]) == (400, "json_invalid")


def test_too_long_a_document_is_413_and_says_to_stream(acme: Caller) -> None:
    answer = acme.send("POST", "/v1/jobs", json={"tasks": ["classify"], "inputs": ["x" * 200_000]})
    assert (answer.status_code, answer.json["code"]) == (413, "body_too_large")
    assert "application/x-ndjson" in answer.json["detail"]


def test_other_content_types_are_415(acme: Caller) -> None:
    answer = acme.send("POST", "/v1/jobs?tasks=classify", data=b"<x/>", content_type="text/xml")
    assert (answer.status_code, answer.json["code"]) == (415, "unsupported_media_type")
    assert "text/csv" in answer.json["detail"]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"\xef\xbb\xbfhttp://a/1\r\n\r\n  http://a/2\nhttp://a/3"),
        ("text/csv; charset=utf-8", b'\xef\xbb\xbfid,url\r\n0,http://a/1\r\n\r\n1,"http://a/2"\n2,http://a/3\n'),
        ("application/x-ndjson", b'"http://a/1"\r\n{"url": "http://a/2", "id": "1"}\n\n{"url": "http://a/3"}'),
    ],
)
def test_streams_are_read(acme: Caller, database: Database, content_type: str, body: bytes) -> None:
    answer = acme.stream(body, content_type, 'tasks=classify&name=n&options={"classify":{"top_k":2}}&metadata={"a":1}')
    assert answer.status_code == 202, answer.text
    assert answer.json["name"] == "n"
    assert answer.json["options"]["classify"]["top_k"] == 2
    assert answer.json["metadata"] == {"a": 1}
    with database.write() as session:
        claim = claim_chunk(session, queue="image", worker="w", lease_ms=1000)
    assert claim is not None
    assert [(item.seq, item.id, item.ref) for item in claim.items] == [
        (0, "0", "http://a/1"), (1, "1", "http://a/2"), (2, "2", "http://a/3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content_type", "body", "line"),
    [
        ("application/x-ndjson", b'"http://a"\n' * 16 + b'{"url": \n' + b'"http://a"\n' * 3, "line 17"),
        ("application/x-ndjson", b'"http://a"\n{"url": ""}\n', "line 2"),
        ("text/csv", b"id,url\n1,http://a\n2,http://b,http://c\n", "line 3"),
        ("text/csv", b'url\n"http://a\n', "line 2"),
        ("text/csv", b"link\nhttp://a\n", "line 1"),
        ("text/plain", b"http://a\n\xff\n", "line 2"),
        ("text/plain", b"http://a\n\n" + b"x" * 8193 + b"\n", "line 3"),
        ("text/plain", b"http://a\nhttp://b\0\n", "line 2"),
        ("text/plain", b"http://a\n" + b"x" * 2_000_000, "line 2"),
    ],
)
def test_a_bad_line_refuses_everything_and_is_named(acme: Caller, content_type: str, body: bytes, line: str) -> None:
    answer = acme.stream(body, content_type)
    assert answer.status_code == 422
    assert answer.json["where"] == line, answer.text
    assert acme.jobs() == []


@pytest.mark.parametrize(
    ("query", "code", "where"),
    [
        ("", "field_missing", "tasks"),
        ("tasks=classify&prority=bulk", "parameter_unknown", "prority"),
        ("tasks=classify&tasks=classify", "parameter_invalid", "tasks"),
        ("tasks=classify&options={", "parameter_invalid", "options"),
        ("tasks=classify&webhook_secret=x", "parameter_invalid", "webhook_secret"),
        ("tasks=classify,paint", "unknown_task", "/tasks/1"),
    ],
)
def test_bad_parameters_are_named(acme: Caller, query: str, code: str, where: str) -> None:
    answer = acme.stream(b"http://a\n", query=query)
    assert (answer.status_code, answer.json["code"], answer.json["where"]) == (422, code, where)


@pytest.mark.parametrize(
    ("query", "where"),
    [
        ({"tasks": "paint"}, "tasks"),
        ({"tasks": "tag,spam"}, "tasks"),
        ({"options": '{"classify": {"top_k": "many"}}'}, "options"),
        ({"options": '{"sentiment": {"threshold": "half"}}'}, "options"),
        ({"options": '{"paint": {}}'}, "options"),
        ({"options": '{"tag": {}, "sentiment": {}}'}, "options"),
        ({"options": "[]"}, "options"),
        ({"models": '{"sentiment": "nobody"}'}, "models"),
        ({"models": '{"classify": 7}'}, "models"),
        ({"metadata": '{"a": "\\u0000"}'}, "metadata"),
        ({"priority": "soon"}, "priority"),
        ({"name": "x" * 201}, "name"),
        ({"webhook_url": "ftp://a/b"}, "webhook_url"),
        ({"webhook_url": "https://a/b", "webhook_secret": "x"}, "webhook_secret"),
    ],
)
def test_what_the_query_says_is_checked_where_the_body_says_it_too(
    acme: Caller, query: dict[str, str], where: str
) -> None:
    """Fails if a typing error in the query passes unseen because a JSON body has the last word."""
    answer = acme.send("POST", "/v1/jobs", query_string=query, json=FULL)
    assert (answer.status_code, answer.json.get("where")) == (422, where), answer.text
    assert acme.jobs() == []


def test_the_body_has_the_last_word_and_null_there_leaves_it_to_the_query(acme: Caller) -> None:
    query = {"tasks": "tag", "options": '{"sentiment": {}}', "priority": "bulk", "name": "of the query"}
    job = acme.send("POST", "/v1/jobs", query_string=query, json=FULL).json
    assert (job["tasks"], job["name"], job["priority"]) == (["classify"], "of the body", "interactive")
    open_fields = {"tasks": ["classify"], "inputs": [URL], "priority": None, "name": None, "options": None}
    query["options"] = '{"classify": {"top_k": 2}}'
    job = acme.send("POST", "/v1/jobs", query_string=query, json=open_fields).json
    assert (job["name"], job["priority"], job["options"]["classify"]["top_k"]) == ("of the query", "bulk", 2)


def test_a_stream_without_inputs_is_refused(acme: Caller) -> None:
    assert acme.stream(b"\n \r\n").json["code"] == "inputs_empty"


def test_an_unknown_upload_in_a_stream_is_left_to_its_item(acme: Caller) -> None:
    assert acme.stream(b"upload\nnope\n", "text/csv").status_code == 202


def test_the_same_submission_twice_makes_one_job(acme: Caller, rival: Caller) -> None:
    body = {"tasks": ["classify"], "inputs": [URL]}
    first = acme.send("POST", "/v1/jobs", {"Idempotency-Key": "k1"}, json=body)
    again = acme.send("POST", "/v1/jobs", {"Idempotency-Key": "k1"}, json=body)
    assert (again.status_code, again.json) == (202, first.json)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(acme.jobs()) == 1
    other = acme.send("POST", "/v1/jobs", {"Idempotency-Key": "k1"}, json={**body, "name": "x"})
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    assert rival.send("POST", "/v1/jobs", {"Idempotency-Key": "k1"}, json=body).json["id"] != first.json["id"]


def test_a_refused_submission_gives_its_key_back(acme: Caller) -> None:
    key = {"Idempotency-Key": "k2"}
    assert acme.send("POST", "/v1/jobs", key, json={"tasks": ["paint"], "inputs": [URL]}).status_code == 422
    assert acme.send("POST", "/v1/jobs", key, json={"tasks": ["classify"], "inputs": [URL]}).status_code == 202


def test_the_key_of_a_removed_job_is_spent(acme: Caller) -> None:
    key, body = {"Idempotency-Key": "k3"}, {"tasks": ["classify"], "inputs": [URL]}
    job = acme.send("POST", "/v1/jobs", key, json=body).json
    assert acme.send("DELETE", f"/v1/jobs/{job['id']}").status_code == 204
    answer = acme.send("POST", "/v1/jobs", key, json=body)
    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_spent")


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_odd_idempotency_keys_are_refused(acme: Caller, key: str) -> None:
    answer = acme.send("POST", "/v1/jobs", {"Idempotency-Key": key}, json={"tasks": ["classify"], "inputs": [URL]})
    assert answer.json["code"] == "idempotency_key_invalid"
