"""TAGLINE_PUBLIC_DEMO: what strangers may do, what they see of one another, and what is left of it a day later."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from api.app import close_app, create_app
from api.pages.identity.page_state import PageState
from core.inputs import ItemResult
from core.settings import Settings
from db import thumbnails, visitors
from db.clock import current_ms
from db.engine import Database
from db.store import store_results
from db.tables import Job, Tenant, Upload
from db.thumbnail_tables import Thumbnail
from scheduler.visitor_chores import VisitorChores
from tests.integration.test_api_uploads import photo, upload
from tests.support.api import Caller
from tests.support.browser import Browser
from tests.support.jobs import must_claim

DAY_MS = 86_400_000
JOB = re.compile(r"/try/([0-9a-f-]{36})")


@pytest.fixture
def app(database: Database, database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Flask]:
    made = create_app(Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, public_demo=True))
    yield made
    close_app(made)


@pytest.fixture
def visitor(app: Flask) -> Browser:
    return Browser.of(app)


def ask(browser: Browser, text: str = "a film to watch again", task: str = "sentiment") -> Any:
    return browser.send("/", "/try/text", task=task, text=text)


def show(browser: Browser, *urls: str, **fields: Any) -> Any:
    given = {"task": "classify", "top_k": "5", "urls": "\n".join(urls), **fields}
    return browser.send("/", "/try", **given)


def made(answer: Any) -> str:
    """The id of the job that was made."""
    assert answer.status_code == 303, answer.text
    found = JOB.fullmatch(answer.location)
    assert found is not None, answer.location
    return found[1]


def test_without_the_setting_strangers_see_nothing(
    database: Database, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    closed = create_app(Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path))
    browser = Browser.of(closed)
    assert browser.get("/").location == "/login?next=/"
    assert browser.post("/try/text", task="sentiment", text="x").location == "/login"
    close_app(closed)
    with database.read() as session:
        assert visitors.find_public_tenant(session) is None


def test_a_stranger_tries_it_and_his_browser_alone_sees_what_came_of_it(
    app: Flask, visitor: Browser, acme: Caller, database: Database
) -> None:
    first = visitor.get("/")
    assert first.status_code == 200
    assert "HttpOnly" in first.headers["Set-Cookie"]
    assert "/jobs" not in first.text, "nothing but this page is open to him"
    assert 'href="/login"' in first.text
    assert "only this browser sees" in first.text
    job = made(ask(visitor))
    shown = visitor.get(f"/try/{job}")
    assert shown.status_code == 200
    assert 'href="/jobs' not in shown.text
    assert visitor.get(f"/try/{job}/news").status_code == 200
    for other in (Browser.of(app), Browser.of(app, acme.key)):
        for path in (f"/try/{job}", f"/try/{job}/news"):
            assert other.get(path).status_code == 404, path
    assert acme.get(f"/v1/jobs/{job}").status_code == 404
    with database.read() as session:
        owner = session.scalars(select(Tenant.name).join(Job, Job.tenant_id == Tenant.id).where(Job.id == job)).one()
    assert owner == "public"


def test_who_is_signed_in_is_no_visitor(app: Flask, acme: Caller, visitor: Browser) -> None:
    """Also if the same browser was one before."""
    his = made(ask(visitor))
    assert visitor.send("/login", "/login", key=acme.key).status_code == 303
    mine = made(ask(visitor))
    assert acme.get(f"/v1/jobs/{mine}").status_code == 200
    assert visitor.get(f"/try/{his}").status_code == 404
    assert 'href="/jobs"' in visitor.get("/").text


def test_everything_else_asks_strangers_to_sign_in(app: Flask, visitor: Browser) -> None:
    opened = set()
    for rule in app.url_map.iter_rules():
        if rule.rule.startswith(("/v1", "/static")) or rule.endpoint.startswith("sign_in."):
            continue
        path = re.sub(r"<id:\w+>", "0" * 8 + "-0000" * 3 + "-" + "0" * 12, rule.rule)
        path = re.sub(r"<sha256:\w+>", "0" * 64, path)
        path = re.sub(r"<any\((\w+)[^>]*>", r"\1", re.sub(r"<int:\w+>", "1", path))
        path = re.sub(r"<[\w:]*>", "name", path)
        for method in (rule.methods or set()) - {"OPTIONS", "HEAD"}:
            answer = visitor.client.open(path, method=method)
            if not (answer.location or "").startswith("/login"):
                opened.add(rule.rule)
            answer.close()
    probes = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/favicon.ico"}
    tries = {
        "/",
        "/try",
        "/try/text",
        "/try/<id:job_id>",
        "/try/<id:job_id>/news",
        "/try/<id:job_id>/events",
        "/thumbnails/<sha256:sha256>",
    }
    assert {one for one in opened if not one.startswith("/docs")} == probes | tries


@pytest.mark.parametrize(
    "given",
    [
        {"urls": "\n".join(f"http://a.example/{n}" for n in range(9))}, {"urls": "s3://bucket/key.jpg"},
        {"urls": "s3://bucket/path/"}, {"urls": "file:///etc/passwd"}, {"urls": "/etc/passwd"},
        {"urls": "data:image/png;base64,AAAA"},
        {"task": "tag", "vocabulary": "own", "own_words": "\n".join(f"word {n}" for n in range(900))},
    ],
)  # fmt: skip
def test_visitors_get_a_look_and_no_more(visitor: Browser, database: Database, given: dict[str, str]) -> None:
    """Each of these is a job for whoever is signed in, or an input of his that fails alone."""
    answer = show(visitor, "http://a.example/1", **given)
    assert answer.status_code == 422, answer.location
    assert answer.mimetype == "text/html"
    with database.read() as session:
        assert session.scalars(select(Job.id)).all() == []


def test_visitors_texts_are_short(visitor: Browser) -> None:
    assert ask(visitor, "x" * 2001).status_code == 422
    assert ask(visitor, "x" * 2000).status_code == 303


def test_visitors_photos_are_few_and_small(visitor: Browser, database: Database) -> None:
    def send(*photos: bytes) -> Any:
        files = [(io.BytesIO(data), f"{n}.png") for n, data in enumerate(photos)]
        return show(visitor, files=files)

    assert send(*[photo()] * 9).status_code == 422
    body = b"x" * 20_000_001  # and no file of the test client's, which it leaves open when nobody reads it
    huge = visitor.client.post("/try", data=body, content_type="multipart/form-data; boundary=b")
    assert huge.status_code == 413
    with database.read() as session:
        assert session.scalars(select(Upload.id)).all() == [], "they were not even kept"
    assert send(photo(), photo(30, 20)).status_code == 303
    with database.write() as session:
        session.execute(update(Tenant).where(Tenant.name == "public").values(upload_bytes=2_100_000_000))
    full = send(photo())
    assert full.status_code == 413
    assert "removed after a day" in full.text
    assert show(visitor, "http://a.example/1").status_code == 303


def test_visitors_take_turns(app: Flask, visitor: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    state: PageState = app.extensions["tagline.pages"]
    for bucket in (state.visits, state.typed, state.all_visits):
        monkeypatch.setattr(bucket, "_clock", lambda: now[0])
    sent = [show(visitor, "http://a.example/1").status_code for _ in range(11)]
    assert sent == [303] * 10 + [429]
    refused = show(visitor, "http://a.example/1")
    assert "Retry-After" in refused.headers
    assert "sign in" in refused.text
    assert ask(visitor).status_code == 303, "what is sent while one types is counted apart"
    elsewhere = Browser.of(app)
    elsewhere.client.environ_base["REMOTE_ADDR"] = "192.0.2.7"
    assert show(elsewhere, "http://a.example/1").status_code == 303
    now[0] += 6.1
    assert show(visitor, "http://a.example/1").status_code == 303
    for _ in range(60):
        state.all_visits.take("")
    assert show(elsewhere, "http://a.example/1").status_code == 429, "all together have a ceiling, too"


def test_forms_of_visitors_need_their_token_too(app: Flask, visitor: Browser) -> None:
    visitor.get("/")
    fields = {"task": "sentiment", "text": "x"}
    assert visitor.post("/try/text", **fields).status_code == 403
    token = re.findall(r'name="csrf" value="([^"]+)"', Browser.of(app).get("/").text)[0]
    assert visitor.post("/try/text", csrf=token, **fields).status_code == 403, "another visitor's"
    mine = re.findall(r'name="csrf" value="([^"]+)"', visitor.get("/").text)[0]
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    assert visitor.client.post("/try/text", data={"csrf": mine, **fields}, headers=elsewhere).status_code == 403
    assert visitor.post("/try/text", csrf=mine, **fields).status_code == 303


def _finish(database: Database, app: Flask, job: str, sha256: str) -> None:
    """As a worker does: a result, with a thumbnail that is there."""
    picture = b"RIFF\x04\x00\x00\x00WEBP"
    app.extensions["tagline"].thumbnails.put(sha256, picture)
    claimed = must_claim(database)
    assert claimed.job_id == job
    with database.write() as session:
        since = current_ms(session) - 1000
        media = {"sha256": sha256, "width": 1, "height": 1, "bytes": 1}
        outputs = {"classify": {"labels": [], "model": "test@1.0.0"}}
        results = [ItemResult(item, outputs=outputs, media=media) for item in claimed.items]
        store_results(session, claimed, results)
        tenant = visitors.find_public_tenant(session) or ""
        thumbnails.add_thumbnails(session, tenant, [bytes.fromhex(sha256)], since)


def test_pictures_are_their_visitors_alone(app: Flask, visitor: Browser, database: Database) -> None:
    job = made(show(visitor, "http://a.example/1"))
    _finish(database, app, job, "ab" * 32)
    path = f"/thumbnails/{'ab' * 32}"
    assert visitor.get(path).status_code == 200
    assert Browser.of(app).get(path).status_code == 404
    assert visitor.get(f"/thumbnails/{'cd' * 32}").status_code == 404


def test_what_visitors_left_goes_after_a_day_and_nothing_else(
    app: Flask, visitor: Browser, acme: Caller, database: Database
) -> None:
    files = [(io.BytesIO(photo()), "a.png")]
    job = made(show(visitor, files=files))
    _finish(database, app, job, "ab" * 32)
    fresh = made(show(visitor, "http://a.example/1"))
    theirs = acme.submit(["http://a/1"])["id"]
    kept = upload(acme, photo(40, 30)).json["id"]
    chores = VisitorChores(database)
    chores.clear()
    assert visitor.get(f"/try/{job}").status_code == 200, "not before"
    with database.write() as session:
        long_ago = current_ms(session) - DAY_MS - 1000
        session.execute(update(Job).where(Job.id.in_([job, theirs])).values(finished_at=long_ago))
        session.execute(update(Upload).values(used_at=long_ago))
        session.execute(update(Thumbnail).values(used_at=long_ago))
    chores.clear()
    assert visitor.get(f"/try/{job}").status_code == 404
    assert visitor.get(f"/try/{fresh}").status_code == 200
    assert acme.get(f"/v1/jobs/{theirs}").status_code == 200
    with database.read() as session:
        assert session.scalars(select(Upload.id)).all() == [kept]
        assert session.scalars(select(Thumbnail.sha256)).all() == []
        assert visitors.kept_bytes(session) == 0


def test_where_nobody_ever_visited_there_is_nothing_to_clear(database: Database) -> None:
    VisitorChores(database).clear()
