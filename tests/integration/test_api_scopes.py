"""Every operation of the OpenAPI document, asked for with a key of each scope, with a stranger's, and with none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from api.app import close_app, create_app
from core.scopes import Scope
from core.settings import Settings
from db import keys
from db.engine import Database
from db.library_tables import Library, LibraryPhoto
from tests.integration.test_api_uploads import photo, upload
from tests.support.api import Caller

HELD = {Scope.READ: {"read"}, Scope.SUBMIT: {"read", "submit"}, Scope.ADMIN: {"read", "submit", "admin"}}
SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
NAME = "a name that only its owner may see"
# What an operation needs besides its path, so that nothing but the key decides what becomes of it
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("post", "/v1/jobs"): {"json": {"tasks": ["classify"], "inputs": ["http://a/1"]}},
    ("post", "/v1/uploads"): {"data": b"", "content_type": "multipart/form-data; boundary=b"},
    ("post", "/v1/libraries"): {"json": {"name": "mine", "tasks": ["tag"]}},
    ("patch", "/v1/libraries/{library_id}"): {"json": {"name": "other"}},
    ("put", "/v1/libraries/{library_id}/manifest"): {"data": "http://a/1\n", "content_type": "text/plain"},
    ("put", "/v1/libraries/{library_id}/photos/{photo_id}/labels"): {"json": {"add": ["dog"]}},
    ("put", "/v1/libraries/{library_id}/photos/{photo_id}/caption"): {"json": {"text": "a dog"}},
    ("get", "/v1/libraries/{library_id}/search"): {"query_string": {"q": "dog"}},
    ("post", "/v1/keys"): {"json": {"name": "another", "scope": "read"}},
    ("patch", "/v1/keys/{key_id}"): {"json": {"name": "other"}},
}
SHARED = {"/v1/models/{name}"}  # of everybody, though there is a name in the path


@dataclass
class Operation:
    method: str
    path: str
    scope: str | None  # what the document says; None: it needs no key
    url: str

    def ask(self, caller: Caller) -> Any:
        return caller.send(self.method.upper(), self.url, **BODIES.get((self.method, self.path), {}))


@pytest.fixture
def app(database: Database, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Flask]:
    made = create_app(Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path))
    yield made
    close_app(made)


@pytest.fixture
def callers(app: Flask, database: Database) -> dict[Scope, Caller]:
    """Of one tenant, a key of each scope."""
    with database.write() as session:
        tenant = keys.create_tenant(session, "acme", SECRET)
        made = {scope: keys.create_key(session, tenant, scope, scope=scope) for scope in Scope}
    return {scope: Caller(app.test_client(), key) for scope, key in made.items()}


@pytest.fixture
def operations(app: Flask, callers: dict[Scope, Caller], database: Database) -> list[Operation]:
    """Every operation, on things of the tenant."""
    ids = _things(callers[Scope.ADMIN], database)
    paths = app.test_client().get("/openapi.json").json["paths"]
    return [
        Operation(method, path, _scope(operation), re.sub(r"{(\w+)}", lambda found: ids[found[1]], path))
        for path, methods in paths.items()
        for method, operation in methods.items()
    ]


def _scope(operation: dict[str, Any]) -> str | None:
    security = operation["security"]
    if not security:
        return None
    ((scope,),) = [needed["key"] for needed in security]
    assert f"`{scope}`" in operation["description"]
    return str(scope)


def _things(acme: Caller, database: Database) -> dict[str, str]:
    """An id for each name that stands in a path."""
    job = acme.submit(["http://a/1"], name=NAME, webhook={"url": "http://r.example/"})["id"]
    assert acme.send("POST", f"/v1/jobs/{job}/cancel").status_code == 200  # which makes a delivery, and ends streams
    (delivery,) = acme.get(f"/v1/jobs/{job}/deliveries").json["data"]
    made = acme.send("POST", "/v1/libraries", json={"name": NAME, "tasks": ["tag"], "source": None})
    library = made.json["id"]
    listed = acme.send("PUT", f"/v1/libraries/{library}/manifest", data="http://a/1\n", content_type="text/plain")
    assert listed.status_code == 200, listed.text
    run = acme.send("POST", f"/v1/libraries/{library}/runs", json={})
    assert run.status_code == 202, run.text
    with database.write() as session:
        number = session.query(Library.number).filter_by(id=library).scalar()
        found = LibraryPhoto(library=number, key="1.jpg", updated_at=1, caption=NAME)
        session.add(found)
        session.flush()
        photo_id = str(found.id)
    return {
        "job_id": job, "delivery_id": delivery["id"], "library_id": library, "run_id": run.json["id"],
        "photo_id": photo_id, "upload_id": upload(acme, photo()).json["id"], "name": "spam-ngram",
        "key_id": keys.hash_key(acme.key)[:12], "sha256": "0" * 64,
    }  # fmt: skip


def test_a_key_may_do_what_its_scope_says_and_no_more(
    operations: list[Operation], callers: dict[Scope, Caller]
) -> None:
    """Fails if a route asks for less or for more than the document says, or for nothing at all."""
    assert {operation.scope for operation in operations} == {None, "read", "submit", "admin"}
    for scope, caller in callers.items():  # the least first: what it may not do leaves everything as it is
        for operation in operations:
            answer = operation.ask(caller)
            refused = (answer.status_code, answer.mimetype == "application/problem+json") == (403, True)
            may = operation.scope is None or operation.scope in HELD[scope]
            assert refused == (not may), (scope, operation, answer.status_code)
            if refused:
                assert answer.json["code"] == "scope_missing"
                assert f"a key with the scope {operation.scope}" in answer.json["detail"]
            assert answer.status_code not in (401, 500), (scope, operation)
            answer.close()


def test_what_changes_something_needs_more_than_reading(operations: list[Operation]) -> None:
    for operation in operations:
        assert operation.scope != "read" or operation.method == "get", operation
    needed = {(operation.method, operation.path): operation.scope for operation in operations}
    assert needed["get", "/v1/webhook-secret"] == "admin"


def test_a_stranger_finds_nothing_of_ours(operations: list[Operation], rival: Caller) -> None:
    """His key may do everything, with what is his."""
    for operation in operations:
        answer = operation.ask(rival)
        if "{" in operation.path and operation.path not in SHARED:
            assert answer.status_code == 404, (operation, answer.text)
        assert NAME not in answer.text, operation
        answer.close()


def test_without_a_key_nothing_is_told(operations: list[Operation], app: Flask) -> None:
    for operation in operations:
        for key in ("", "tl_wrong"):
            answer = operation.ask(Caller(app.test_client(), key))
            assert (answer.status_code == 401) == (operation.scope is not None), operation
            answer.close()


def test_looking_without_a_body_needs_what_looking_needs(
    operations: list[Operation], callers: dict[Scope, Caller]
) -> None:
    for operation in operations:
        if operation.method == "get" and operation.scope is not None:
            answer = callers[Scope.READ].send("HEAD", operation.url)
            assert (answer.status_code == 403) == (operation.scope != "read"), operation


def test_a_route_that_nobody_thought_of_is_closed(app: Flask, callers: dict[Scope, Caller]) -> None:
    app.add_url_rule("/v1/forgotten", "forgotten", lambda: "done", methods=["PUT", "GET"])
    assert callers[Scope.READ].send("PUT", "/v1/forgotten").status_code == 403
    assert callers[Scope.READ].get("/v1/forgotten").status_code == 200
    assert callers[Scope.SUBMIT].send("PUT", "/v1/forgotten").status_code == 200
