"""What is refused about photo libraries, with which code, and that nothing of it is kept; and lists sent to them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from api.app import close_app, create_app
from core.settings import Settings
from db import keys
from db.engine import Database
from db.library_manifests import manifest_page
from db.library_tables import Library, LibraryManifest, LibraryPhoto
from tests.support.api import Caller

GOOD: dict[str, Any] = {"name": "mine", "tasks": ["tag"]}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "2024").mkdir(parents=True)
    (tmp_path / "away").symlink_to("/etc")
    (tmp_path / "photos" / "link").symlink_to("/etc")
    return tmp_path / "photos"


@pytest.fixture
def app(database_url: str, redis_url: str, root: Path) -> Iterator[Flask]:
    made = create_app(
        Settings(
            database_url=database_url, redis_url=redis_url, data_dir=root.parent, folders=(str(root),),
            max_json_bytes=300_000, s3_buckets=("mine",), library_max_photos=50, libraries_max=3,
        )
    )  # fmt: skip
    yield made
    close_app(made)


@pytest.fixture
def acme(app: Flask, database: Database, tenant: str) -> Caller:
    with database.write() as session:
        return Caller(app.test_client(), keys.create_key(session, tenant, "acme"))


def _create(caller: Caller, **fields: Any) -> Any:
    return caller.send("POST", "/v1/libraries", json={**GOOD, **fields})


def _made(caller: Caller, **fields: Any) -> str:
    answer = _create(caller, **fields)
    assert answer.status_code == 201, answer.text
    assert answer.headers["Location"] == answer.json["links"]["self"]
    return str(answer.json["id"])


def _count(database: Database, table: Any) -> int:
    with database.read() as session:
        return session.scalars(select(func.count()).select_from(table)).one()


CRON = {"cron": "0 2 * * *"}
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"schedule": {"cron": "0 25 * * *"}}, "cron_invalid", "/schedule/cron"),
    ({"schedule": {"cron": "0 2 30 2 *"}}, "cron_invalid", "/schedule/cron"),
    ({"schedule": {"cron": "* * * * * *"}}, "cron_invalid", "/schedule/cron"),
    ({"schedule": {"cron": "@daily"}}, "cron_invalid", "/schedule/cron"),
    ({"schedule": {"cron": ""}}, "cron_invalid", "/schedule/cron"),
    ({"schedule": {**CRON, "timezone": "Mars/Olympus"}}, "timezone_unknown", "/schedule/timezone"),
    ({"schedule": {**CRON, "timezone": "../../etc/passwd"}}, "timezone_unknown", "/schedule/timezone"),
    ({"schedule": {**CRON, "timezone": ""}}, "field_invalid", "/schedule/timezone"),
    ({"schedule": {**CRON, "timezone": "Europe/Berlin\0"}}, "timezone_unknown", "/schedule/timezone"),
    ({"schedule": {**CRON, "window": "02:00-02:00"}}, "window_invalid", "/schedule/window"),
    ({"schedule": {**CRON, "window": ""}}, "field_invalid", "/schedule/window"),
    ({"schedule": {**CRON, "window": "2-6"}}, "window_invalid", "/schedule/window"),
    ({"schedule": {**CRON, "window": "24:00-25:00"}}, "window_invalid", "/schedule/window"),
    ({"schedule": {}}, "field_missing", "/schedule/cron"),
    ({"schedule": "nightly"}, "field_invalid", "/schedule"),
    ({"source": {}}, "source_invalid", "/source"),
    ({"source": {"folder": "/a", "s3_prefix": "s3://b/"}}, "source_invalid", "/source"),
    ({"source": {"ftp": "ftp://a"}}, "field_unknown", "/source/ftp"),
    ({"source": {"folder": "/etc"}}, "folder_not_allowed", "/source/folder"),
    ({"source": {"folder": "photos"}}, "folder_not_allowed", "/source/folder"),
    ({"source": {"folder": "ROOT/../.."}}, "folder_not_allowed", "/source/folder"),
    ({"source": {"folder": "ROOT/link"}}, "folder_not_allowed", "/source/folder"),
    ({"source": {"folder": "ROOT/nowhere"}}, "folder_not_found", "/source/folder"),
    ({"source": {"folder": "ROOT\0"}}, "field_invalid", "/source/folder"),
    ({"source": {"s3_prefix": "bucket/path"}}, "s3_uri_invalid", "/source/s3_prefix"),
    ({"source": {"s3_prefix": "s3://others/path/"}}, "s3_access_denied", "/source/s3_prefix"),
    ({"source": {"manifest_url": "file:///etc/passwd"}}, "manifest_url_invalid", "/source/manifest_url"),
    ({"source": {"manifest_url": "http://user:secret@a.example/"}}, "manifest_url_invalid", "/source/manifest_url"),
    ({"tasks": []}, "field_invalid", "/tasks"),
    ({"tasks": ["sentiment"]}, "tasks_mixed", "/tasks"),
    ({"tasks": ["tag", "sentiment"]}, "tasks_mixed", "/tasks"),
    ({"tasks": ["dance"]}, "unknown_task", "/tasks/0"),
    ({"options": {"caption": {}}}, "field_unknown", "/options/caption"),
    ({"options": {"tag": {"top_k": 0}}}, "option_invalid", "/options/tag/top_k"),
    ({"models": {"tag": "nobody"}}, "model_unknown", "/models/tag"),
    ({"webhook": {"url": "gopher://a"}}, "webhook_url_invalid", "/webhook/url"),
    ({"write": "database"}, "field_invalid", "/write"),
    ({"write": "sidecar", "source": {"manifest_url": "http://a.example/l"}}, "write_impossible", "/write"),
    ({"write_threshold": 1.5}, "field_invalid", "/write_threshold"),
    ({"write_threshold": True}, "field_invalid", "/write_threshold"),
    ({"name": ""}, "field_invalid", "/name"),
    ({"name": "a\0b"}, "field_invalid", "/name"),
    ({"name": "\ud800"}, "field_invalid", "/name"),
    ({"name": "n" * 201}, "field_invalid", "/name"),
    ({"id": "mine"}, "field_unknown", "/id"),
]  # fmt: skip


def _at(root: Path, fields: dict[str, Any]) -> dict[str, Any]:
    source = fields.get("source")
    if isinstance(source, dict) and "folder" in source:
        return {**fields, "source": {**source, "folder": source["folder"].replace("ROOT", str(root))}}
    return fields


def test_each_wrong_field_has_its_code_and_place_and_keeps_nothing(
    acme: Caller, database: Database, root: Path
) -> None:
    mine = _made(acme, source={"folder": str(root)}, schedule=CRON)
    before = acme.get(f"/v1/libraries/{mine}").json
    for fields, code, where in REFUSED:
        wrong = _at(root, fields)
        for answer in (_create(acme, **wrong), acme.send("PATCH", f"/v1/libraries/{mine}", json=wrong)):
            assert (answer.status_code, answer.json.get("code")) == (422, code), (fields, answer.text)
            assert answer.json["where"] == where, (fields, answer.text)
            assert answer.content_type == "application/problem+json"
    assert _count(database, Library) == 1
    assert acme.get(f"/v1/libraries/{mine}").json == before


@pytest.mark.parametrize(
    ("body", "content_type", "status", "code"),
    [
        (b"", "application/json", 400, "json_invalid"),
        (b"{", "application/json", 400, "json_invalid"),
        (b'{"name": NaN}', "application/json", 400, "json_invalid"),
        (b"[]", "application/json", 422, "field_invalid"),
        (b"null", "application/json", 422, "field_invalid"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "", 415, "unsupported_media_type"),
        (b'{"name": "' + b"x" * 300_000 + b'"}', "application/json", 413, "body_too_large"),
    ],
)
def test_bodies_that_are_no_library(acme: Caller, body: bytes, content_type: str, status: int, code: str) -> None:
    mine = _made(acme)
    for method, path in (("POST", "/v1/libraries"), ("PATCH", f"/v1/libraries/{mine}")):
        answer = acme.send(method, path, data=body, content_type=content_type)
        assert (answer.status_code, answer.json["code"]) == (status, code), (method, answer.text)


def test_null_is_the_same_as_leaving_a_field_out(acme: Caller) -> None:
    library = _made(
        acme, source=None, options=None, models=None, schedule=None, webhook=None, write=None, write_threshold=None
    )
    found = acme.get(f"/v1/libraries/{library}").json
    assert (found["write"], found["write_threshold"], found["options"], found["source"]) == ("none", 0.5, {}, None)
    answer = acme.send("POST", f"/v1/libraries/{library}/runs", json={"what": None, "force": None, "limit": None})
    assert (answer.status_code, answer.json["code"]) == (409, "source_missing")


def test_a_key_makes_one_library_and_one_run_however_often_it_is_sent(acme: Caller, root: Path) -> None:
    fields = {**GOOD, "source": {"folder": str(root)}}
    first, again = (
        acme.send("POST", "/v1/libraries", {"Idempotency-Key": "k1"}, json=fields) for _ in range(2)
    )  # fmt: skip
    assert (first.status_code, again.status_code, again.json) == (201, 201, first.json)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(acme.get("/v1/libraries").json["data"]) == 1
    other = acme.send("POST", "/v1/libraries", {"Idempotency-Key": "k1"}, json={**fields, "name": "b"})
    assert (other.status_code, other.json["code"]) == (422, "idempotency_key_reused")
    runs = f"/v1/libraries/{first.json['id']}/runs"
    for _ in range(2):
        run = acme.send("POST", runs, {"Idempotency-Key": "k2"}, json={"what": "all"})
        assert run.status_code == 202, run.text
    assert len(acme.get(runs).json["data"]) == 1
    reused = acme.send("POST", runs, {"Idempotency-Key": "k1"}, json=fields)
    assert reused.json["code"] in ("field_unknown", "idempotency_key_reused")
    assert acme.send("POST", runs, {"Idempotency-Key": "k 3"}, json={}).json["code"] == "idempotency_key_invalid"
    acme.send("DELETE", f"/v1/libraries/{first.json['id']}")
    spent = acme.send("POST", "/v1/libraries", {"Idempotency-Key": "k1"}, json=fields)
    assert (spent.status_code, spent.json["code"]) == (409, "idempotency_key_spent")
    refused = acme.send("POST", "/v1/libraries", {"Idempotency-Key": "k4"}, json={})
    assert refused.status_code == 422
    assert acme.send("POST", "/v1/libraries", {"Idempotency-Key": "k4"}, json=fields).status_code == 201


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"what": "everything"}, "field_invalid"),
        ({"limit": 0}, "field_invalid"),
        ({"limit": 10**30}, "field_invalid"),
        ({"limit": "5"}, "field_invalid"),
        ({"dry_run": "yes"}, "field_invalid"),
        ({"forced": True}, "field_unknown"),
    ],
)
def test_runs_that_are_none(acme: Caller, root: Path, fields: dict[str, Any], code: str) -> None:
    runs = f"/v1/libraries/{_made(acme, source={'folder': str(root)})}/runs"
    answer = acme.send("POST", runs, json=fields)
    assert (answer.status_code, answer.json.get("code")) == (422, code), answer.text
    assert acme.get(runs).json["data"] == []


def test_no_more_libraries_than_the_operator_grants_and_none_write_into_one_place(acme: Caller, root: Path) -> None:
    first = _made(acme, source={"folder": str(root)}, write="sidecar")
    for folder in (root, root / "2024", f"{root}/", f"{root}/./2024"):
        answer = _create(acme, source={"folder": str(folder)}, write="sidecar")
        assert (answer.status_code, answer.json["code"]) == (409, "sidecars_contested"), folder
    second = _made(acme, source={"folder": str(root / "2024")})
    contested = acme.send("PATCH", f"/v1/libraries/{second}", json={"write": "sidecar"})
    assert (contested.status_code, contested.json["code"]) == (409, "sidecars_contested")
    _made(acme)
    answer = _create(acme)
    assert (answer.status_code, answer.json["code"]) == (422, "too_many_libraries")
    acme.send("DELETE", f"/v1/libraries/{first}")
    assert acme.send("PATCH", f"/v1/libraries/{second}", json={"write": "sidecar"}).status_code == 200


def test_pages_of_libraries(acme: Caller) -> None:
    made = [_made(acme, name=f"{number}") for number in range(3)]
    page = acme.get("/v1/libraries?limit=2").json
    assert [library["id"] for library in page["data"]] == made[:0:-1]
    rest = acme.get(f"/v1/libraries?limit=2&cursor={page['next_cursor']}").json
    assert ([library["id"] for library in rest["data"]], rest["next_cursor"]) == (made[:1], None)
    for query in ("cursor=x", "limit=501", "limit=0", "before=1"):
        assert acme.get(f"/v1/libraries?{query}").status_code == 422, query


def _photo(database: Database, library: str) -> int:
    with database.write() as session:
        number = session.scalars(select(Library.number).where(Library.id == library)).one()
        photo = LibraryPhoto(library=number, key="a.jpg", updated_at=1)
        session.add(photo)
        session.flush()
        return photo.id


@pytest.mark.parametrize(
    ("edits", "code", "where"),
    [
        ({"add": ["a\0b"]}, "label_invalid", "/add/0"),
        ({"add": ["fine", "  "]}, "label_invalid", "/add/1"),
        ({"remove": ["l" * 201]}, "label_invalid", "/remove/0"),
        ({"add": ["\ud800"]}, "label_invalid", "/add/0"),
        ({"add": ["\ufdfa" * 200]}, "label_invalid", "/add/0"),
        ({"add": [f"label {number}" for number in range(10_000)]}, "labels_too_many", "/add"),
        ({"remove": [f"label {number}" for number in range(1_001)]}, "labels_too_many", "/remove"),
        ({"add": ["Cat"], "remove": ["cat "]}, "field_invalid", "/remove/0"),
        ({"add": "cat"}, "field_invalid", "/add"),
        ({"add": [1]}, "field_invalid", "/add/0"),
        ({"labels": ["cat"]}, "field_unknown", "/labels"),
    ],
)
def test_labels_that_cannot_be_kept(
    acme: Caller, database: Database, edits: dict[str, Any], code: str, where: str
) -> None:
    library = _made(acme)
    path = f"/v1/libraries/{library}/photos/{_photo(database, library)}"
    answer = acme.send("PUT", f"{path}/labels", json=edits)
    assert (answer.status_code, answer.json["code"], answer.json["where"]) == (422, code, where), answer.text
    assert acme.get(path).json["labels"] == []


def test_edits_add_up_to_no_more_than_a_sidecar_bears(acme: Caller, database: Database) -> None:
    library = _made(acme)
    path = f"/v1/libraries/{library}/photos/{_photo(database, library)}"
    for start in (0, 600):
        labels = [f"label {number}" for number in range(start, start + 600)]
        answer = acme.send("PUT", f"{path}/labels", json={"add": labels})
    assert (answer.status_code, answer.json["code"]) == (422, "labels_too_many")
    assert len(acme.get(path).json["labels"]) == 600
    assert acme.send("PUT", f"{path}/labels", json={}).status_code == 200


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        ({"text": "a\0b"}, "caption_invalid"),
        ({"text": "c" * 10_001}, "caption_invalid"),
        ({"text": "\udfff"}, "caption_invalid"),
        ({"text": " \n "}, "field_invalid"),
        ({"text": ""}, "field_invalid"),
        ({"text": 5}, "field_invalid"),
        ({}, "field_missing"),
    ],
)
def test_captions_that_cannot_be_kept(acme: Caller, database: Database, edit: dict[str, Any], code: str) -> None:
    library = _made(acme)
    path = f"/v1/libraries/{library}/photos/{_photo(database, library)}"
    answer = acme.send("PUT", f"{path}/caption", json=edit)
    assert (answer.status_code, answer.json.get("code")) == (422, code), answer.text
    assert acme.get(path).json["caption"] is None


LISTS = [
    ("text/plain", b"http://a.example/1.jpg\n\nhttp://a.example/2.jpg\nhttp://a.example/1.jpg\n"),
    ("text/csv", b"id,url\nhttp://a.example/1.jpg,http://a.example/1.jpg\n,http://a.example/2.jpg\n"),
    ("application/x-ndjson", b'"http://a.example/2.jpg"\n{"url": "http://a.example/1.jpg"}\n'),
]


def test_a_list_replaces_the_one_before_whole_or_not_at_all(acme: Caller, database: Database) -> None:
    library = _made(acme)
    path = f"/v1/libraries/{library}/manifest"
    keys_of = ["http://a.example/1.jpg", "http://a.example/2.jpg"]
    for content_type, body in LISTS:
        answer = acme.send("PUT", path, data=body, content_type=f"{content_type}; charset=utf-8")
        assert answer.status_code == 200, answer.text
        assert answer.json["source"]["manifest"]["photos"] == 2
        assert _listed(database) == keys_of
    broken = [
        ("text/plain", b"http://a.example/3.jpg\nnot a url\n", "line_invalid", "line 2"),
        ("text/csv", b"url\nhttp://a.example/3.jpg\n\"open\n", "line_invalid", "line 3"),
        ("application/x-ndjson", b'"http://a.example/3.jpg"\n{"url": 5}\n', "line_invalid", "line 2"),
        ("application/x-ndjson", b'"http://a.example/3.jpg"\n{"url": "http://a.example/\\u0000.jpg"}\n', "line_invalid",
         "line 2"),
        ("text/plain", b"http://a.example/3.jpg\n\xff\xfe\n", "line_invalid", "line 2"),
        ("text/plain", b"", "inputs_empty", None),
        ("text/plain", b"\n".join(b"http://a.example/%d" % number for number in range(51)), "too_many_photos", None),
    ]  # fmt: skip
    for content_type, body, code, where in broken:
        answer = acme.send("PUT", path, data=body, content_type=content_type)
        assert (answer.status_code, answer.json.get("code")) == (422, code), answer.text
        assert answer.json.get("where") == where
        assert _listed(database) == keys_of
    unread = acme.send("PUT", path, data=b"[]", content_type="application/json")
    assert (unread.status_code, unread.json["code"]) == (415, "unsupported_media_type")
    writing = acme.send("PATCH", f"/v1/libraries/{library}", json={"write": "sidecar"})
    assert (writing.status_code, writing.json.get("code")) == (422, "write_impossible")


def test_a_list_is_no_source_of_sidecars(acme: Caller, root: Path, database: Database) -> None:
    library = _made(acme, write="sidecar")
    answer = acme.send(
        "PUT", f"/v1/libraries/{library}/manifest", data=b"http://a.example/1", content_type="text/plain"
    )
    assert (answer.status_code, answer.json["code"]) == (422, "write_impossible")
    assert _count(database, LibraryManifest) == 0
    assert acme.get(f"/v1/libraries/{library}").json["source"] is None


def _listed(database: Database) -> list[str]:
    with database.read() as session:
        library = session.scalars(select(Library)).one()
        return [key for key, _ in manifest_page(session, library.number, library.manifest)]
