"""Keys as their tenant's admins make, name and revoke them by the API."""

from __future__ import annotations

from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask

from core.scopes import Scope
from db import keys, tenant_keys
from db.engine import Database
from db.environment_key import use_key
from tests.support.api import Caller

SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"


def _make(caller: Caller, name: str = "night", scope: str = "read") -> Any:
    answer = caller.send("POST", "/v1/keys", json={"name": name, "scope": scope})
    assert answer.status_code == 201, answer.text
    return answer.json


def _listed(caller: Caller) -> dict[str, Any]:
    """By id."""
    return {key["id"]: key for key in caller.get("/v1/keys").json["data"]}


def _refused(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json["code"]


def test_a_key_is_made_named_used_and_revoked(app: Flask, acme: Caller) -> None:
    made = _make(acme, "night", "submit")
    path = f"/v1/keys/{made['id']}"
    other = Caller(app.test_client(), made["key"])
    assert other.submit(["http://a/1"])["state"] == "queued"
    assert other.get("/v1/keys").status_code == 403
    assert made["key"] not in acme.get("/v1/keys").text, "it is shown once"
    renamed = acme.send("PATCH", path, json={"name": "day"})
    assert renamed.json == {**{k: v for k, v in made.items() if k != "key"}, "name": "day"}
    assert acme.get(path).json == renamed.json
    assert acme.send("DELETE", path).status_code == 204
    assert other.get("/v1/jobs").status_code == 401
    gone = _listed(acme)[made["id"]]
    assert (gone["name"], gone["scope"], gone["revoked_at"] is not None) == ("day", "submit", True)
    assert acme.send("DELETE", path).status_code == 204, "again is no mistake"
    assert _refused(acme.get(path)) == _refused(acme.send("PATCH", path, json={"name": "dusk"})) == (404, "key_revoked")
    assert _listed(acme)[made["id"]] == gone


def test_keys_of_others_are_not_there(acme: Caller, rival: Caller) -> None:
    made = _make(acme)["id"]
    for method, more in (("GET", {}), ("PATCH", {"json": {"name": "mine"}}), ("DELETE", {})):
        assert _refused(rival.send(method, f"/v1/keys/{made}", **more)) == (404, "key_not_found")
    assert made not in _listed(rival)
    assert _listed(acme)[made]["revoked_at"] is None


@pytest.mark.parametrize("key_id", ["%25%25%25%25%25%25%25%25%25%25%25%25", "____________", "0", "%00" * 12, "é" * 12])
def test_ids_that_are_none_find_nothing(acme: Caller, key_id: str) -> None:
    assert _refused(acme.send("DELETE", f"/v1/keys/{key_id}")) == (404, "key_not_found")


def test_the_last_key_that_can_make_keys_stays(acme: Caller) -> None:
    (mine,) = _listed(acme)
    _make(acme, scope="submit")
    assert _refused(acme.send("DELETE", f"/v1/keys/{mine}")) == (409, "last_admin_key")
    _make(acme, scope="admin")
    assert acme.send("DELETE", f"/v1/keys/{mine}").status_code == 204, "now another can"


def test_two_that_revoke_one_another_leave_one(database: Database, tenant: str) -> None:
    """Fails if each counts the admins before the other one has written."""
    with database.write() as session:
        made = [keys.hash_key(keys.create_key(session, tenant, "x"))[:12] for _ in range(2)]
    together, refused = Barrier(2), []

    def revoke(key_id: str) -> None:
        together.wait()
        try:
            with database.write() as session:
                tenant_keys.revoke_tenant_key(session, tenant, key_id)
        except tenant_keys.Conflict as error:
            refused.append(error.code)

    threads = [Thread(target=revoke, args=(key_id,)) for key_id in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused == ["last_admin_key"]


def test_the_key_of_the_environment_is_changed_there(app: Flask, database: Database) -> None:
    with database.write() as session:
        keys.ensure_first_key(session, "one", SECRET)
        use_key(session, "one")
    first = Caller(app.test_client(), "one")
    admin = Caller(app.test_client(), _make(first, scope="admin")["key"])
    path = f"/v1/keys/{keys.hash_key('one')[:12]}"
    refused = admin.send("DELETE", path)
    assert _refused(refused) == (409, "key_in_environment")
    assert "TAGLINE_API_KEY" in refused.json["detail"]
    assert _refused(admin.send("PATCH", path, json={"name": "x"})) == (409, "key_in_environment")
    with database.write() as session:
        keys.ensure_first_key(session, "two", SECRET)
        use_key(session, "two")
    assert first.get("/v1/jobs").status_code == 401
    renamed = admin.send("PATCH", path, json={"name": "x"})
    assert _refused(renamed) == (404, "key_revoked"), "by its name it is good again when it comes back"


@pytest.mark.parametrize(
    ("body", "code", "where"),
    [
        ({"name": "x"}, "field_missing", "/scope"),
        ({"scope": "read"}, "field_missing", "/name"),
        ({"name": "x", "scope": "root"}, "field_invalid", "/scope"),
        ({"name": "x", "scope": None}, "field_invalid", "/scope"),
        ({"name": "", "scope": "read"}, "field_invalid", "/name"),
        ({"name": "x" * 201, "scope": "read"}, "field_invalid", "/name"),
        ({"name": "a\0b", "scope": "read"}, "field_invalid", "/name"),
        ({"name": "\ud800", "scope": "read"}, "field_invalid", "/name"),
        ({"name": "TAGLINE_API_KEY", "scope": "read"}, "field_invalid", "/name"),
        ({"name": "x", "scope": "read", "key": "mine"}, "field_unknown", "/key"),
    ],
)
def test_what_is_no_key_is_refused(acme: Caller, body: Any, code: str, where: str) -> None:
    before = _listed(acme)
    answer = acme.send("POST", "/v1/keys", json=body)
    assert (*_refused(answer), answer.json["where"]) == (422, code, where)
    assert _listed(acme) == before


def test_a_tenant_has_only_so_many(acme: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tenant_keys, "MOST_LIVE", 2)
    made = _make(acme)
    refused = acme.send("POST", "/v1/keys", json={"name": "x", "scope": "read"})
    assert _refused(refused) == (422, "too_many_keys")
    acme.send("DELETE", f"/v1/keys/{made['id']}")
    _make(acme)


def test_scopes_are_told_apart(app: Flask, acme: Caller, database: Database) -> None:
    made = {scope: _make(acme, scope=scope) for scope in Scope}
    with database.read() as session:
        found = {scope: keys.authenticate(session, key["key"]) for scope, key in made.items()}
    assert {scope: caller.scope for scope, caller in found.items() if caller} == {scope: scope for scope in Scope}
