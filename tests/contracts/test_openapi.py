"""The document names every route, and the page and the list of problems keep up with it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Blueprint, Flask

from api.app import close_app, create_app
from api.document.openapi import build_document
from api.http.auth import is_for_browsers
from api.http.problems import PROBLEMS
from core.artefacts.catalogue import Catalogue
from core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    made = create_app(Settings(data_dir=tmp_path))
    yield made
    close_app(made)


def test_every_route_is_in_the_document(app: Flask) -> None:
    document = app.test_client().get("/openapi.json").json
    assert document["openapi"].startswith("3.1")
    described = {(path, method) for path, found in document["paths"].items() for method in found}
    routes = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in app.url_map.iter_rules()
        if not is_for_browsers(app, rule.endpoint)
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert described == routes


def test_only_what_is_declared_open_answers_strangers(app: Flask) -> None:
    """Whatever blueprint a new route is put into, it asks for a key; to open one is a line here as well."""
    opened = set()
    for rule in app.url_map.iter_rules():
        path = re.sub(r"<id:\w+>", "0" * 8 + "-0000" * 3 + "-" + "0" * 12, rule.rule)
        path = re.sub(r"<sha256:\w+>", "0" * 64, path)
        path = re.sub(r"<int:\w+>", "1", path)
        path = re.sub(r"<any\((\w+).*?>", r"\1", path)
        path = re.sub(r"<[\w:]*>", "name", path)
        for method in (rule.methods or set()) - {"OPTIONS"}:
            answer = app.test_client().open(path, method=method)
            asks = answer.status_code == 303 and answer.location.startswith("/login")
            if answer.status_code != 401 and not (is_for_browsers(app, rule.endpoint) and asks):
                opened.add(rule.rule)
    pages = {"/login", "/login/link", "/static/<path:name>", "/favicon.ico"}
    assert opened == {"/openapi.json", "/docs", "/healthz", "/readyz", "/metrics", *pages}


def test_a_route_without_any_declaration_asks_for_a_key(app: Flask) -> None:
    forgotten = Blueprint("forgotten", __name__)
    forgotten.get("/elsewhere")(lambda: "secret")
    app.register_blueprint(forgotten)
    app.add_url_rule("/nowhere", "nowhere", lambda: "secret")
    client = app.test_client()
    assert client.get("/elsewhere").status_code == client.get("/nowhere").status_code == 401
    with pytest.raises(LookupError, match=r"elsewhere|nowhere"):
        build_document(app, Catalogue(Path("nowhere")), "http://here")


def test_every_reference_leads_somewhere(app: Flask) -> None:
    answer = app.test_client().get("/openapi.json")
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', answer.text)):
        found = answer.json
        for part in reference.split("/"):
            found = found[int(part)] if isinstance(found, list) else found[part]
        assert found


def test_the_page_for_people_loads_nothing_from_elsewhere(app: Flask) -> None:
    """Fails if it names another host, allows one, or names a file that there is not; a browser looks at the rest."""
    client = app.test_client()
    page = client.get("/docs")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; ")
    assert "http" not in policy
    named = re.findall(r'(?:src|href|data-document)="([^"]+)"', page.text)
    assert any("swagger-ui-bundle.js" in name for name in named)
    for name in named:
        assert name.startswith("/")
        assert client.get(name).status_code in (200, 303), name


def test_every_problem_code_is_known_and_documented() -> None:
    listed = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", (ROOT / "docs/errors.md").read_text(), re.MULTILINE))
    assert listed == {code: str(problem.status) for code, problem in PROBLEMS.items()}
    raised = set()
    for folder in ("api", "db", "jobs", "libraries"):
        for path in (ROOT / folder).rglob("*.py"):
            text = path.read_text()
            raised |= set(re.findall(r'(?:RequestError|NotFound|Conflict|Unready)\(\s*"(\w+)"', text))
    assert raised - set(PROBLEMS) == set()
