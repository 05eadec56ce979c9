"""The pages of keys, and what a page shows to whom: scopes are those of the API."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask

from core.scopes import Scope
from db import keys
from db.engine import Database
from tests.support.api import Caller
from tests.support.browser import Browser

STRANGE = ["<script>alert(1)</script>", "\u202eevil", "x" * 200, "'\"><img src=x>", "{{ 7*7 }}"]


@pytest.fixture
def admin(app: Flask, acme: Caller) -> Browser:
    return Browser.of(app, acme.key)


def _key(database: Database, acme: Caller, scope: Scope) -> str:
    with database.write() as session:
        found = keys.authenticate(session, acme.key)
        assert found is not None
        return keys.create_key(session, found.tenant_id, "other", scope=scope)


def _made(admin: Browser, name: str = "night", scope: str = "read") -> Any:
    answer = admin.send("/keys", "/keys", name=name, scope=scope)
    assert answer.status_code == 200, answer.text
    found = re.search(r'data-testid="new-key">(tl_[\w-]+)<', answer.text)
    assert found is not None
    return found[1]


def test_a_key_is_made_shown_once_and_works(app: Flask, admin: Browser, acme: Caller) -> None:
    answer = admin.send("/keys", "/keys", name=" night ", scope="read")
    key = re.findall(r"tl_[\w-]{43}", answer.text)[0]
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in answer.headers
    assert answer.location is None
    assert Caller(app.test_client(), key).get("/v1/jobs").status_code == 200
    assert Caller(app.test_client(), key).get("/v1/keys").status_code == 403
    assert key not in admin.get("/keys").text
    assert acme.get("/v1/keys").json["data"][0]["name"] == "night"


def test_a_key_is_renamed_and_revoked_without_scripts(admin: Browser, app: Flask, acme: Caller) -> None:
    key = _made(admin)
    key_id = keys.hash_key(key)[:12]
    renamed = admin.send("/keys", f"/keys/{key_id}/name", name="day")
    assert (renamed.status_code, renamed.location) == (303, f"/keys#key-{key_id}")
    assert "day" in admin.get("/keys").text
    user = Browser.of(app, key)
    assert user.signed_in()
    revoked = admin.send("/keys", f"/keys/{key_id}/revoke")
    assert (revoked.status_code, revoked.location) == (303, "/keys")
    assert not user.signed_in()
    assert "Revoked keys" in admin.get("/keys").text


def test_who_revokes_the_key_that_he_came_with_is_out(admin: Browser, acme: Caller) -> None:
    mine = keys.hash_key(acme.key)[:12]
    refused = admin.send("/keys", f"/keys/{mine}/revoke")
    assert refused.status_code == 409
    assert "the last key with the scope admin" in refused.text
    _made(admin, scope="admin")
    assert admin.send("/keys", f"/keys/{mine}/revoke").status_code == 303
    assert admin.get("/keys").location.startswith("/login")


def test_keys_of_others_are_not_there(admin: Browser, rival: Caller) -> None:
    theirs = keys.hash_key(rival.key)[:12]
    assert theirs not in admin.get("/keys").text
    token = re.findall(r'name="csrf" value="([^"]+)"', admin.get("/keys").text)[0]
    for path in (f"/keys/{theirs}/revoke", f"/keys/{theirs}/name"):
        assert admin.post(path, csrf=token, name="mine").status_code == 404
    assert rival.get("/v1/jobs").status_code == 200


@pytest.mark.parametrize("name", STRANGE)
def test_names_are_only_shown(admin: Browser, name: str) -> None:
    _made(admin, name)
    shown = admin.get("/keys").text
    assert "<script>alert" not in shown
    assert "<img src=x>" not in shown
    assert f"<bdi>{keys_escape(name)}</bdi>" in shown


def keys_escape(text: str) -> str:
    from markupsafe import escape

    return str(escape(text))


@pytest.mark.parametrize("fields", [{"name": ""}, {"scope": "root"}, {"scope": ""}, {"name": "x" * 201}])
def test_what_cannot_be_is_refused_in_words(admin: Browser, fields: dict[str, str]) -> None:
    before = admin.get("/keys").text
    answer = admin.send("/keys", "/keys", **{"name": "n", "scope": "read", **fields})
    assert answer.status_code == 422
    assert admin.get("/keys").text.count('data-testid="key"') == before.count('data-testid="key"')


@pytest.mark.parametrize("scope", [Scope.READ, Scope.SUBMIT])
def test_pages_ask_for_the_scope_that_the_api_asks_for(
    app: Flask, acme: Caller, database: Database, scope: Scope
) -> None:
    """Fails if a page does what the key behind its session may not do, or a form of a page is open to a reader."""
    browser = Browser.of(app, _key(database, acme, scope))
    shown = browser.get("/")
    assert shown.status_code == 200
    assert "/keys" not in shown.text, "what one may not see has no link"
    assert ('action="/try"' in shown.text) == (scope is Scope.SUBMIT), "and what one may not do no form"
    refused = browser.get("/keys")
    assert (refused.status_code, refused.mimetype) == (403, "text/html")
    assert "needs a key with the scope admin" in refused.text
    token = re.findall(r'"X-CSRF-Token": "([^"]+)"', shown.text)[0]
    assert browser.post("/keys", csrf=token, name="n", scope="admin").status_code == 403
    may = scope is Scope.SUBMIT
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith("sign_in.") or "POST" not in (rule.methods or ()) or rule.rule.startswith("/v1"):
            continue
        path = re.sub(r"<[^>]*>", "0" * 8 + "-0000" * 3 + "-" + "0" * 12, rule.rule)
        status = browser.post(path, csrf=token).status_code
        assert (status == 403) == (not may or rule.rule.startswith("/keys")), rule.rule
    assert browser.send("/", "/logout").status_code == 303, "leaving is open to everybody"


def test_signed_out_every_page_leads_to_the_sign_in(app: Flask) -> None:
    for path in ("/", "/keys", "/models", "/models/spam-ngram"):
        assert Browser.of(app).get(path).location == f"/login?next={path}"
    assert Browser.of(app).post("/keys", name="n", scope="admin").location == "/login"
