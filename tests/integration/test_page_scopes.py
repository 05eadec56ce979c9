"""Every page asks for its scope: a walk over all routes for browsers, so that a new one cannot be forgotten."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from api.http.auth import is_for_browsers
from api.http.scopes import needed_scope
from core.scopes import Scope
from db.engine import Database
from db.keys import create_key, find_caller, hash_key
from tests.support.api import Caller
from tests.support.browser import Browser

FOR_ALL = {"/login", "/login/link", "/logout", "/static/<path:name>", "/favicon.ico", "/docs"}
ADMINS = ("/keys",)
NOBODYS = "00000000-0000-7000-8000-000000000000"


def routes(app: Flask) -> list[tuple[str, str, str]]:
    """Rule, method and path of every page that somebody has to be signed in for."""
    found = []
    for rule in app.url_map.iter_rules():
        if not is_for_browsers(app, rule.endpoint) or rule.rule in FOR_ALL:
            continue
        path = re.sub(r"<id:\w+>", NOBODYS, rule.rule)
        path = re.sub(r"<sha256:\w+>", "0" * 64, path)
        path = re.sub(r"<int:\w+>", "1", path)
        path = re.sub(r"<any\((\w+).*?>", r"\1", path)
        path = re.sub(r"<[\w:]*>", "name", path)
        found += [(rule.rule, method, path) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})]
    return found


@pytest.mark.parametrize("held", list(Scope))
def test_every_page_asks_for_its_scope(app: Flask, acme: Caller, database: Database, held: Scope) -> None:
    with database.write() as session:
        owner = find_caller(session, hash_key(acme.key))
        assert owner is not None
        key = create_key(session, owner.tenant_id, "walker", scope=held)
    browser = Browser.of(app, key)
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/jobs").text)
    assert token is not None
    adapter = app.url_map.bind("localhost")
    wrong = []
    for rule, method, path in routes(app):
        answer = browser.get(path) if method == "GET" else browser.post(path, csrf=token[1])
        assert "form_expired" not in answer.text
        endpoint, _ = adapter.match(path, method=method)
        needed = needed_scope(app, endpoint, method)
        expected = Scope.ADMIN if rule.startswith(ADMINS) else Scope.READ if method == "GET" else Scope.SUBMIT
        refused = answer.status_code == 403 and "scope_missing" in answer.text
        if needed != expected or refused == held.covers(needed):
            wrong.append((method, rule, str(needed), answer.status_code))
    assert wrong == []
