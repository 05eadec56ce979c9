"""Signing in by a key and by a link, what a session is worth, and what other sites cannot do with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import pytest
from flask import Flask
from itsdangerous import URLSafeTimedSerializer
from sqlalchemy import update

from api.app import close_app, create_app
from api.pages.identity import session as page_session
from api.pages.identity.page_state import PageState
from core.scopes import Scope
from core.settings import Settings
from db import keys
from db.access_tables import SignInLink
from db.engine import Database
from db.key_admin import revoke_key
from db.server_secrets import ensure_secret
from db.sign_in_links import key_to_sign_in_with, make_link, use_link
from tests.support.api import Caller
from tests.support.browser import Browser

Make = Any


@pytest.fixture
def link(acme: Caller, database: Database) -> str:
    with database.write() as session:
        return f"/login/link?token={make_link(session, keys.hash_key(acme.key))}"


def _key(database: Database, acme: Caller, scope: Scope) -> str:
    """Another key of the same tenant."""
    with database.write() as session:
        found = keys.authenticate(session, acme.key)
        assert found is not None
        return keys.create_key(session, found.tenant_id, "other", scope=scope)


def test_a_key_signs_in_and_logging_out_ends_it(app: Flask, acme: Caller) -> None:
    browser = Browser.of(app)
    assert browser.get("/").location == "/login?next=/"
    answer = browser.send("/login?next=/jobs?state%3Dfailed", "/login", key=f" {acme.key}\n")
    assert (answer.status_code, answer.location) == (303, "/jobs?state=failed")
    assert browser.get("/").status_code == 200
    assert browser.get("/login").location == "/"
    left = browser.send("/", "/logout")
    assert (left.status_code, left.location) == (303, "/login")
    assert browser.get("/").status_code == 303


def test_the_cookie_is_out_of_reach_and_no_key(app: Flask, acme: Caller) -> None:
    set_cookie = Browser.of(app).post("/login", key=acme.key).headers["Set-Cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(set_cookie.split("; "))
    assert "Secure" not in set_cookie
    assert acme.key not in set_cookie
    by_proxy = Browser.of(app, X_Forwarded_Proto="https").post("/login", key=acme.key).headers["Set-Cookie"]
    assert "; Secure" in by_proxy


def test_the_cookie_is_secure_where_browsers_come_by_https(
    acme: Caller, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        database_url=database_url, redis_url=redis_url, data_dir=tmp_path, public_url="https://tags.example"
    )
    app = create_app(settings)
    answer = app.test_client().post("/login", data={"key": acme.key}, headers={"Origin": "https://tags.example"})
    assert "; Secure" in answer.headers["Set-Cookie"]
    close_app(app)


def test_unknown_and_revoked_keys_are_told_the_same(app: Flask, acme: Caller, database: Database) -> None:
    gone = _key(database, acme, Scope.ADMIN)
    with database.write() as session:
        assert revoke_key(session, keys.hash_key(gone)[:12]) == 1
    answers = [Browser.of(app).post("/login", key=key) for key in ("tl_unknown", gone, "", "é\0\ud7ff")]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert "This key is unknown or revoked." in answers[0].text
    assert "Set-Cookie" not in answers[0].headers


def test_revoking_the_key_ends_its_sessions_at_once_and_no_others(app: Flask, acme: Caller, database: Database) -> None:
    other = _key(database, acme, Scope.READ)
    mine, others = Browser.of(app, acme.key), Browser.of(app, other)
    assert mine.signed_in()
    with database.write() as session:
        assert revoke_key(session, keys.hash_key(acme.key)[:12]) == 1
    assert not mine.signed_in()
    assert others.signed_in()


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "é", '["x"]', "." * 5000])
def test_cookies_that_are_none_of_ours_mean_signed_out(app: Flask, value: str) -> None:
    assert _with_cookie(app, value).location == "/login?next=/"


def _with_cookie(app: Flask, value: str) -> Any:
    return app.test_client(use_cookies=False).get("/", headers={"Cookie": f"tagline_session={value}"})


def test_cookies_that_others_signed_or_that_hold_something_else_mean_signed_out(
    app: Flask, acme: Caller, database: Database
) -> None:
    """Fails if the signature is not looked at, or what it covers is taken for granted."""
    Browser.of(app, acme.key)
    with database.write() as session:
        secret = ensure_secret(session, "sessions")
    mine = keys.hash_key(acme.key)

    def ask(by: str, said: object, salt: str = page_session.COOKIE) -> int:
        return int(_with_cookie(app, str(page_session._signer(salt, by).dumps(said))).status_code)

    assert ask(secret, [mine, "token"]) == 200
    assert ask("another secret", [mine, "token"]) == 303
    assert ask(secret, [mine, "token"], salt="another purpose") == 303
    for said in ([mine], [mine, 1], {"key": mine}, None, [mine, "token", "more"], mine):
        assert ask(secret, said) == 303
    plain = str(URLSafeTimedSerializer(secret, salt=page_session.COOKIE).dumps([mine, "token"]))  # by SHA-1
    assert _with_cookie(app, plain).status_code == 303


def test_a_session_that_is_too_old_is_over(app: Flask, acme: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = Browser.of(app, acme.key)
    monkeypatch.setattr(page_session, "LASTS_S", -1)
    assert not browser.signed_in()


@pytest.fixture
def twin(database_url: str, redis_url: str, tmp_path: Path) -> Iterator[Flask]:
    """Another process of the same API."""
    made = create_app(Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path))
    yield made
    close_app(made)


def test_all_processes_of_the_api_know_a_session(app: Flask, twin: Flask, acme: Caller) -> None:
    browser = Browser.of(app, acme.key)
    cookie = browser.client.get_cookie("tagline_session")
    assert cookie is not None
    other = twin.test_client()
    other.set_cookie("tagline_session", cookie.value)
    assert other.get("/").status_code == 200


def test_a_secret_of_the_settings_signs_and_another_ends_all_sessions(
    acme: Caller, database_url: str, redis_url: str, tmp_path: Path
) -> None:
    cookie = ""
    for secret, known in (("a" * 32, False), ("a" * 32, True), ("b" * 32, False)):
        settings = Settings(database_url=database_url, redis_url=redis_url, data_dir=tmp_path, session_secret=secret)
        app = create_app(settings)
        client = app.test_client()
        client.set_cookie("tagline_session", cookie)
        assert (client.get("/").status_code == 200) == known
        if not cookie:
            found = Browser.of(app, acme.key).client.get_cookie("tagline_session")
            cookie = found.value if found else ""
        close_app(app)


def test_two_services_on_one_machine_do_not_sign_one_another_out(app: Flask, acme: Caller) -> None:
    """Browsers know hosts and no ports."""
    client = app.test_client()
    for port in (8000, 8001):
        there = f"http://127.0.0.1:{port}"
        answer = client.post("/login", base_url=there, data={"key": acme.key}, headers={"Origin": there})
        assert answer.headers["Set-Cookie"].startswith(f"tagline_session_{port}=")
    assert client.get("/", base_url="http://127.0.0.1:8000").status_code == 200


def test_the_cookie_is_worth_nothing_to_the_api_and_the_key_nothing_to_pages(app: Flask, acme: Caller) -> None:
    browser = Browser.of(app, acme.key)
    assert browser.get("/v1/jobs").status_code == 401
    assert acme.get("/").status_code == 303


@pytest.mark.parametrize(
    "target",
    [
        *("https://evil.example/", "//evil.example", "/\\evil.example", "\\/evil.example", "evil.example", ""),
        *("/\t/evil.example", "/\t\\evil.example", "/\n/evil.example", " //evil.example", "javascript:alert(1)"),
        *("/a\r\nSet-Cookie: x=1", "/" + "a" * 3000, "/\0", "///evil.example"),
    ],
)
def test_signing_in_leads_to_no_other_site(app: Flask, acme: Caller, target: str) -> None:
    browser = Browser.of(app)
    answer = browser.post("/login", key=acme.key, next=target)
    assert (answer.status_code, answer.location) == (303, "/")
    assert browser.client.get("/login", query_string={"next": target}).location == "/"


@pytest.mark.parametrize(
    "target", ["/login/link?token=x", "/%6cogin/link?token=x", "/jobs/..//login/link", "/login", "/logout"]
)
def test_signing_in_signs_nobody_in_as_somebody_else(app: Flask, acme: Caller, target: str) -> None:
    """Fails if another site can have a person sign in and then follow that site's own link of ours, unasked."""
    browser = Browser.of(app)
    answer = browser.post("/login", key=acme.key, next=target)
    assert (answer.status_code, answer.location) == (303, "/")
    assert browser.client.get("/login", query_string={"next": target}).location == "/"


def test_forms_need_their_token(app: Flask, acme: Caller) -> None:
    browser, other = Browser.of(app, acme.key), Browser.of(app, acme.key)
    for fields in ({}, {"csrf": ""}, {"csrf": "é"}, {"csrf": _token(other)}):
        answer = browser.post("/logout", **fields)
        assert answer.status_code == 403, "a token belongs to one session"
        assert "too old, or not ours" in answer.text
    assert browser.signed_in()
    sent = browser.client.post("/logout", headers={"X-CSRF-Token": _token(browser)})
    assert sent.status_code == 303, "htmx sends it in a header"
    assert not browser.signed_in()


def _token(browser: Browser) -> str:
    return browser.get("/").text.partition('name="csrf" value="')[2].partition('"')[0]


ELSEWHERE = [
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "https://evil.example"},
    {"Origin": "null"}, {"Origin": "http://localhost:8001"}, {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
]  # fmt: skip
HERE = [{}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}, {"Origin": "http://localhost"}]


@pytest.mark.parametrize("headers", ELSEWHERE)
def test_forms_of_other_sites_do_nothing_even_with_the_token(app: Flask, acme: Caller, headers: dict[str, str]) -> None:
    """Signing in as well: who is signed in as somebody else gives that one his photos."""
    browser = Browser.of(app, acme.key)
    answer = browser.client.post("/logout", data={"csrf": _token(browser)}, headers=headers)
    assert answer.status_code == 403
    assert browser.signed_in()
    stranger = app.test_client().post("/login", data={"key": acme.key}, headers=headers)
    assert (stranger.status_code, "Set-Cookie" in stranger.headers) == (403, False)


@pytest.mark.parametrize("headers", HERE)
def test_forms_of_ours_are_heard_whatever_the_browser_says_of_them(
    app: Flask, acme: Caller, headers: dict[str, str]
) -> None:
    assert app.test_client().post("/login", data={"key": acme.key}, headers=headers).status_code == 303


def test_guessing_is_slowed_down_and_those_elsewhere_are_not(
    app: Flask, acme: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    state: PageState = app.extensions["tagline.pages"]
    monkeypatch.setattr(state.guesses, "_clock", lambda: now[0])
    browser = Browser.of(app)
    wrong = [browser.post("/login", key=f"guess-{n}").status_code for n in range(12)]
    assert wrong == [401] * 10 + [429] * 2
    slowed = browser.post("/login", key=acme.key)
    assert (slowed.status_code, slowed.headers["Retry-After"]) == (429, "3"), "or guesses could be told apart"
    assert "Too many wrong keys came from your network" in slowed.text
    elsewhere = app.test_client().post("/login", data={"key": acme.key}, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert elsewhere.status_code == 303
    now[0] += 3.1
    assert browser.post("/login", key=acme.key).status_code == 303, "three seconds later the door is open again"


def test_a_link_signs_in_once(app: Flask, acme: Caller, link: str) -> None:
    browser = Browser.of(app)
    answer = browser.get(link)
    assert (answer.status_code, answer.location) == (303, "/")
    assert browser.get("/").status_code == 200
    assert browser.get(link).location == "/", "opened twice by the same person"
    other = Browser.of(app)
    refused = other.get(link)
    assert refused.status_code == 401
    assert "used already, or is too old" in refused.text
    assert not other.signed_in()


def test_by_https_a_browser_says_that_a_person_opened_the_link(app: Flask, link: str) -> None:
    headers = {"X-Forwarded-Proto": "https, http", "Sec-Fetch-Site": "none"}
    answer = app.test_client().get(link, headers=headers)
    assert answer.status_code == 303
    assert "; Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"},
        {"X-Moz": "prefetch"}, {"X-Purpose": "preview"}, {"Sec-Fetch-Site": "cross-site"},
        {"X-Forwarded-Proto": "https", "User-Agent": "a chat that shows what a link leads to"},
    ],
)  # fmt: skip
def test_looking_at_a_link_does_not_use_it_up(app: Flask, link: str, headers: dict[str, str]) -> None:
    browser = Browser.of(app)
    shown = browser.client.get(link, headers=headers)
    assert (shown.status_code, "Set-Cookie" in shown.headers) == (200, False)
    assert not browser.signed_in()
    assert browser.client.head(link).status_code == 200
    confirmed = browser.post("/login/link", token=link.partition("token=")[2])
    assert (confirmed.status_code, confirmed.location) == (303, "/")
    assert browser.signed_in()


def test_a_link_is_too_old_after_ten_minutes(app: Flask, link: str, database: Database) -> None:
    with database.write() as session:
        expires = session.query(SignInLink.expires_at).scalar()
        assert 9 * 60_000 < expires - keys_now(session) <= 10 * 60_000
        session.execute(update(SignInLink).values(expires_at=keys_now(session)))
    assert Browser.of(app).get(link).status_code == 401


def keys_now(session: Any) -> int:
    from db.clock import current_ms

    return current_ms(session)


def test_a_link_of_a_revoked_key_signs_nobody_in(app: Flask, link: str, acme: Caller, database: Database) -> None:
    with database.write() as session:
        revoke_key(session, keys.hash_key(acme.key)[:12])
    browser = Browser.of(app)
    assert browser.get(link).status_code == 401
    assert not browser.signed_in()


def test_of_two_that_open_a_link_at_once_one_gets_in(acme: Caller, link: str, database: Database) -> None:
    token, together, got = link.partition("token=")[2], Barrier(4), []

    def use() -> None:
        together.wait()
        with database.write() as session:
            got.append(use_link(session, token))

    threads = [Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(got) == {keys.hash_key(acme.key): 1, None: 3}


@pytest.mark.parametrize("token", ["", "x", "é\0", "0" * 40, "%" * 9000])
def test_links_that_are_none_sign_nobody_in(app: Flask, token: str) -> None:
    answer = app.test_client().get("/login/link", query_string={"token": token})
    assert answer.status_code == 401


def test_the_operators_link_is_of_the_key_that_may_most(database: Database, tenant: str) -> None:
    with database.write() as session:
        assert key_to_sign_in_with(session, "acme") is None
        made = {
            name: keys.hash_key(keys.create_key(session, tenant, name, scope=scope))
            for name, scope in (("a", Scope.READ), ("b", Scope.ADMIN), ("c", Scope.ADMIN))
        }
        assert key_to_sign_in_with(session, "acme") in (made["b"], made["c"])  # made within one millisecond
        assert key_to_sign_in_with(session, "acme", made["a"][:12]) == made["a"]
        assert key_to_sign_in_with(session, "acme", "%") is None
        environment = keys.hash_key(keys.create_key(session, tenant, keys.ENVIRONMENT))
        assert key_to_sign_in_with(session, "acme") == environment


def test_a_page_in_words_where_the_database_does_not_answer(acme: Caller, app: Flask, redis_url: str) -> None:
    """The page that says so must not ask it who is looking."""
    from tests.support.ports import free_port

    cookie = Browser.of(app, acme.key).client.get_cookie("tagline_session")
    assert cookie is not None
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    down = create_app(Settings(database_url=url, redis_url=redis_url))
    client = down.test_client()
    client.set_cookie("tagline_session", cookie.value)
    answer = client.get("/")
    assert (answer.status_code, answer.mimetype) == (503, "text/html")
    assert "The database does not answer" in answer.text
    for path, status in (("/nothing", 404), ("/static/nothing", 404), ("/thumbnails/x", 404)):
        answer = client.get(path, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.mimetype) == (status, "text/html"), path
    close_app(down)
