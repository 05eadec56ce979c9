"""The pages of libraries without JavaScript: forms make libraries, runs and corrections; strangers' text stays text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tensorflow")

from flask import Flask
from sqlalchemy import delete, select

from api.app import close_app, create_app
from api.pages.libraries import library_gallery, library_night
from api.pages.libraries.library_words import (
    KINDS,
    PHOTO_STATES,
    PICTURE_ERRORS,
    RUN_ERRORS,
    RUN_STATES,
    SIDECAR_ERRORS,
    WHAT,
)
from api.services import KEY
from core.scopes import Scope
from core.settings import Settings
from core.states import PhotoState, RunState
from db import keys
from db.engine import Database
from db.library_tables import Library as Row
from db.thumbnail_tables import Thumbnail
from libraries.changes import KINDS as ALL_KINDS
from libraries.photos import label_counts
from libraries.views import library_view
from tests.support.browser import Browser
from tests.support.libraries import Library, library, write_models, write_photo
from worker.libraries.first_looks import answer_requests

ROOT = Path(__file__).resolve().parents[2]
NAME = '<b>H\u202eolidays</b> & "more"'
ODD = "<img src=x onerror=alert(1)> \u202egpj.png"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_models(tmp_path_factory.mktemp("models"), captions=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    for number, name in enumerate(["a.png", "b.png", ODD]):
        write_photo(place / name, number)
    return place


@pytest.fixture
def settings(database_url: str, redis_url: str, models: Path, folder: Path, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url, redis_url=redis_url, models_dir=models, data_dir=tmp_path / "data",
        folders=(str(folder),),
    )  # fmt: skip


@pytest.fixture
def app(settings: Settings, database: Database) -> Iterator[Flask]:
    made = create_app(settings)
    yield made
    close_app(made)


@pytest.fixture
def mine(settings: Settings, database: Database, tenant: str, folder: Path) -> Iterator[Library]:
    with library(settings, database, tenant) as opened:
        opened.create(name=NAME, source={"folder": str(folder)}, tasks=["tag", "caption"])
        yield opened


def _browser(app: Flask, database: Database, tenant: str, scope: Scope = Scope.ADMIN) -> Browser:
    with database.write() as session:
        key = keys.create_key(session, tenant, "of a browser", scope=scope)
    return Browser.of(app, key)


@pytest.fixture
def browser(app: Flask, database: Database, tenant: str) -> Browser:
    return _browser(app, database, tenant)


@pytest.fixture
def stranger(app: Flask, database: Database) -> Browser:
    with database.write() as session:
        other = keys.create_tenant(session, "other", "whsec_x")
    return _browser(app, database, other)


def _library(browser: Browser, path: str) -> Any:
    """The library of a page, as the API shows it."""
    app: Flask = browser.client.application
    with app.extensions[KEY].database.read() as session:
        from sqlalchemy import select

        return library_view(session.scalars(select(Row).where(Row.id == path.split("/")[2])).one())


# Words


def test_every_state_kind_and_code_has_words() -> None:
    """Fails if a page could show a person what only a program knows."""
    assert set(RUN_STATES) == set(RunState)
    assert set(PHOTO_STATES) == set(PhotoState)
    assert set(KINDS) == set(ALL_KINDS)
    assert list(WHAT) == ["changed", "failed", "all", "relabel"]
    text = (ROOT / "docs" / "errors.md").read_text()
    for title, words in (
        ("Codes of a library's run", RUN_ERRORS), ("Codes of sidecars", SIDECAR_ERRORS),
        ("Codes of pictures", PICTURE_ERRORS),
    ):  # fmt: skip
        table = text.split(f"# {title}")[1].split("\n# ")[0]
        codes = re.findall(r"^\| `([a-z_0-9]+)`", table, re.M)
        assert {code for code in codes if not code.endswith("_")} == set(words)


# Forms


def test_the_form_makes_a_library_and_the_settings_change_what_was_changed(browser: Browser, folder: Path) -> None:
    made = browser.send(
        "/libraries/new", "/libraries", name=NAME, source="folder", place=str(folder), task=["tag", "caption"],
        when="nightly", time="03:30", timezone="Europe/Berlin", window="02:00-06:00", write="sidecar",
        write_threshold="0.7", vocabulary="", webhook_url="http://127.0.0.1:9/hook",
        webhook_secret="whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
    )  # fmt: skip
    assert made.status_code == 303, made.text
    view = _library(browser, made.location)
    assert (view["name"], view["source"], set(view["tasks"])) == (NAME, {"folder": str(folder)}, {"tag", "caption"})
    assert view["schedule"] == {"cron": "30 3 * * *", "timezone": "Europe/Berlin", "window": "02:00-06:00"}
    assert (view["write"], view["write_threshold"], view["options"]) == ("sidecar", 0.7, {})
    page = browser.get(f"{made.location}/settings").text
    assert 'value="03:30"' in page
    assert escape(NAME, quote=False).replace('"', "&#34;") in page
    assert "whsec_c2" not in page
    given = _filled(page)
    saved = browser.send(f"{made.location}/settings", f"{made.location}/settings", **given)
    assert (saved.status_code, saved.location) == (303, made.location)
    assert {**_library(browser, made.location), "updated_at": 0} == {**view, "updated_at": 0}
    assert _secret(browser, made.location) == "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
    changes = {
        "name": "Other", "task": ["tag"], "when": "cron", "cron": "0 4 * * 1", "vocabulary": "open-images",
        "webhook_url": "",
    }  # fmt: skip
    given.pop("write")
    browser.send(f"{made.location}/settings", f"{made.location}/settings", **{**given, **changes})
    after = _library(browser, made.location)
    assert (after["name"], after["tasks"], after["schedule"]["cron"]) == ("Other", ["tag"], "0 4 * * 1")
    assert (after["write"], after["webhook"]) == ("none", None)
    assert after["options"] == {"tag": {"vocabulary": "open-images"}}


def _secret(browser: Browser, path: str) -> str | None:

    with browser.client.application.extensions[KEY].database.read() as session:  # type: ignore[attr-defined]
        found: str | None = session.scalars(select(Row.webhook_secret).where(Row.id == path.split("/")[2])).one()
        return found


def _filled(page: str) -> dict[str, Any]:
    """The fields of a page's form as a browser sends them untouched."""
    form = re.findall(r'<form class="card form"[^>]*>(.*?)</form>', page, re.S)[-1]
    given: dict[str, Any] = {}
    for tag in re.findall(r"<input([^>]*)>", form):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
        kind = attributes.get("type")
        if kind == "hidden" or (kind in ("radio", "checkbox") and " checked" not in tag):
            continue
        value = attributes.get("value", "").replace("&#34;", '"').replace("&lt;", "<").replace("&gt;", ">")
        value = value.replace("&amp;", "&")
        name = attributes["name"]
        given[name] = [*given.get(name, []), value] if kind == "checkbox" else value
    for name, inner in re.findall(r'<select[^>]*name="(\w+)"[^>]*>(.*?)</select>', form, re.S):
        options = re.findall(r'<option(?: value="([^"]*)")?( selected)?>([^<]*)', inner)
        chosen = next((one for one in options if one[1]), options[0])
        given[name] = chosen[0] or (chosen[2] if chosen[1] and "@" in chosen[2] else "")
    return given


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"place": "/etc"}, "folder_not_allowed"), ({"place": ""}, "field_missing"), ({"task": []}, "field_missing"),
        ({"when": "cron", "cron": "never"}, "cron_invalid"), ({"when": "nightly", "time": "25:00"}, "cron_invalid"),
        ({"when": "nightly", "time": "02:00", "timezone": "Mars"}, "timezone_unknown"),
        ({"write_threshold": "much"}, "field_invalid"), ({"write_threshold": "nan"}, "field_invalid"),
        ({"name": ""}, "field_invalid"), ({"webhook_url": "ftp://x"}, "webhook_url_invalid"),
        ({"model_tag": "nobody"}, "model_unknown"), ({"name": "a\0b"}, "field_invalid"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_and_nothing_is_made(
    browser: Browser, folder: Path, wrong: dict[str, Any], code: str
) -> None:
    given = {"name": "mine", "source": "folder", "place": str(folder), "task": ["tag"], **wrong}
    answer = browser.send("/libraries/new", "/libraries", **given)
    assert answer.status_code == 422
    assert f"<code>{code}</code>" in answer.text
    assert "There are no libraries yet" in browser.get("/libraries").text
    assert browser.post("/libraries", **given).status_code >= 400  # and without the form's token nothing at all


# A night


def test_a_library_is_run_corrected_and_undone_by_forms_alone(browser: Browser, mine: Library, folder: Path) -> None:
    home = f"/libraries/{mine.id}"
    assert "not looked at yet" in browser.get(home).text
    assert browser.send(home, f"{home}/runs").location == home
    going = browser.get(home).text
    assert "Waiting" in going
    assert 'hx-trigger="every 2s"' in going
    again = browser.post(f"{home}/runs", csrf=_token(going))
    assert (again.status_code, "run_in_progress" in again.text) == (409, True)
    run = re.findall(rf'href="{home}/runs/([0-9a-f-]{{36}})"', going)[0]
    assert browser.get(f"{home}/progress", HX_Request="true").status_code == 200
    mine.finish(run)
    over = browser.get(f"{home}/progress", HX_Request="true")
    assert (over.headers["HX-Refresh"], over.data) == ("true", b"")
    page = browser.get(home).text
    assert page.count('data-testid="photo"') == page.count('data-testid="change"') == 3
    assert page.count("/thumbnails/") == 6
    assert all(browser.get(src).status_code == 200 for src in set(re.findall(r'src="(/thumbnails/\w+)"', page)))
    _is_escaped(page)

    photo = mine.photos()["a.png"]
    place = f"{home}/photos/{photo['id']}"
    first = photo["labels"][0]["label"]
    assert browser.send(place, f"{place}/labels", add="Whiskers, <i>x</i> ,").location == place
    token = _token(browser.get(place).text)
    assert browser.post(f"{place}/labels", csrf=token, remove=first).location == place
    assert mine.labels("a.png")[:2] == ["Whiskers", "<i>x</i>"]
    assert first not in mine.labels("a.png")
    assert browser.post(f"{place}/caption", csrf=token, text="Our \r\n cat").location == place
    assert mine.photos()["a.png"]["caption"] == {"text": "Our \n cat", "score": None, "by": "person"}
    shown = browser.get(place).text
    assert "Our" in shown
    assert "&lt;i&gt;x&lt;/i&gt;" in shown
    assert "<i>x" not in shown
    part = browser.post(f"{place}/caption", csrf=token, give_back="1", text="Our cat")
    assert part.location == place
    assert mine.photos()["a.png"]["caption"]["by"] == "model"

    undo = f"{home}/runs/{run}/undo"
    assert f'href="{undo}"' in browser.get(f"{home}/runs/{run}").text
    assert browser.send(undo, undo).location == f"{home}/runs/{run}"
    assert mine.labels("a.png") == ["Whiskers", "<i>x</i>"]
    night = browser.get(f"{home}/runs/{run}").text
    assert "Undone" in night
    assert f'href="{undo}"' not in night
    dry = browser.send(home, f"{home}/runs", dry_run="1").location
    assert dry.startswith(f"{home}/runs/")
    every = browser.get(f"{home}/runs").text
    assert [every.count(f'href="{path}"') for path in (dry, f"{home}/runs/{run}")] == [1, 1]
    assert "Dry run" in every


def _token(page: str) -> str:
    return re.findall(r'name="csrf" value="([^"]+)"', page)[0]


def _is_escaped(page: str) -> None:
    assert "<img src=x" not in page
    assert "<b>H" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for odd in ("\u202egpj", "&lt;b&gt;H\u202e"):
        for found in re.finditer(re.escape(odd), page):
            before = page[: found.start()]
            inside = [before.rfind(f"<{tag}>") > before.rfind(f"</{tag}>") for tag in ("bdi", "title")]
            in_tag = before.rfind("<") > before.rfind(">")
            assert any(inside) or in_tag, page[found.start() - 200 : found.end()]


def test_every_page_escapes_names_labels_and_captions(browser: Browser, mine: Library, folder: Path) -> None:
    run = mine.run()["id"]
    place = f"/libraries/{mine.id}/photos/{mine.photos()[ODD]['id']}"
    token = _token(browser.get(place).text)
    assert browser.post(f"{place}/labels", csrf=token, add=f"{ODD},{'long' * 50}").status_code == 303
    assert browser.post(f"{place}/caption", csrf=token, text=ODD + "x" * 9_000).status_code == 303
    (folder / "b.png").write_bytes(b"no photo")
    second = mine.run()["id"]
    photo = mine.photos()[ODD]["id"]
    home = f"/libraries/{mine.id}"
    for path in (
        "/libraries", home, f"{home}/runs", f"{home}?label={ODD}", f"{home}?named=img", f"{home}/labels",
        f"{home}/settings",
        f"{home}/runs/{run}", f"{home}/runs/{second}", f"{home}/runs/{run}/undo", f"{home}/delete",
        f"{home}/photos/{photo}", f"{home}?words=cat",
    ):  # fmt: skip
        answer = browser.get(path)
        assert answer.status_code == 200, path
        for raw in ("<img src=x", "<b>H", "onerror=alert(1)>"):
            assert raw not in answer.text, path
        assert " style=" not in answer.text
        assert not re.search(r"\son\w+=", re.sub(r'"[^"]*"', "", re.sub(r">[^<]*<", "><", answer.text)))
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    _is_escaped(browser.get(home).text)
    assert "This photo is" in browser.get(f"{home}?state=failed").text


# Galleries


def test_a_gallery_is_paged_and_filtered(
    browser: Browser, mine: Library, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_gallery, "PER_PAGE", 2)
    monkeypatch.setattr(library_night, "PER_PAGE", 2)
    run = mine.run()["id"]
    home = f"/libraries/{mine.id}"
    for path in (home, f"{home}/runs/{run}"):
        first = browser.get(path).text
        following = re.findall(r'rel="next" href="([^"#]+)', first)[0].replace("&amp;", "&")
        second = browser.get(following).text
        shown = [part.rpartition('<ol class="places')[2] for part in (first, second)]
        names = [set(re.findall(rf'href="{home}/photos/(\d+)"', part)) for part in shown]
        assert set.union(*names) == {photo["id"] for photo in mine.photos().values()}
        assert 'rel="next"' not in second
    mine.edit("a.png", add=("only mine",))
    found = browser.get(f"{home}?label=only%20mine").text
    assert found.count('data-testid="photo"') == 1
    part = browser.get(f"{home}/labels?label=only+mine", HX_Request="true").text
    assert "<html" not in part
    assert re.search(r'aria-current="true"><bdi>only mine</bdi> <span class="number">1<', part)
    assert "<html" in browser.get(f"{home}/labels").text
    assert browser.get(f"{home}?cursor=nonsense").status_code == 422
    assert browser.get(f"{home}?named=%00%20").status_code == 200
    assert "No photo is like that" in browser.get(f"{home}?named=nothing+of+that+kind").text


def test_people_count_and_find_labels_that_are_likely(browser: Browser, mine: Library, database: Database) -> None:
    """Fails if a label stood at every photo because a model gives twenty to each, however unlikely."""
    mine.run()
    mine.edit("a.png", add=("only mine",))
    every = [label for photo in mine.photos().values() for label in photo["labels"]]
    scores = sorted(label["score"] for label in every if label["score"] is not None)
    least = scores[len(every) // 2] - 1e-5  # no score lies at it
    likely = [one["label"] for one in every if one["score"] is None or one["score"] >= least]
    assert "only mine" in likely
    assert len(likely) < len(every)
    with database.read() as session:
        counts = label_counts(session, mine.tenant, mine.id, least)
        assert {one["label"]: one["count"] for one in counts} == Counter(likely)
        every_count = label_counts(session, mine.tenant, mine.id)
        assert {one["label"]: one["count"] for one in every_count} == Counter(one["label"] for one in every)
    for label in {one["label"] for one in every}:
        assert len(mine.photos(label=label, least=least)) == likely.count(label)


def test_why_a_search_cannot_be_made_is_said_in_words(
    browser: Browser, mine: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine.run()
    monkeypatch.setattr("libraries.search.ANSWER_S", 0.2)
    page = browser.get(f"/libraries/{mine.id}?words=red+car")
    assert page.status_code == 200
    assert "The workers are busy and have not read these words yet; try again." in page.text
    mine.patch(tasks=["caption"])
    assert "Only a library with tag among its tasks can be searched." in browser.get(page.request.full_path).text


# Pictures


def test_pictures_that_are_missing_come_to_the_open_page(
    browser: Browser, database: Database, mine: Library, folder: Path
) -> None:
    mine.run()
    _forget_all(database)
    (folder / "b.png").unlink()
    home = f"/libraries/{mine.id}"
    page = browser.get(home).text
    assert "/thumbnails/" not in page  # a picture that is not there would be an error in the browser's console
    assert page.count("On its way") == 6
    ask = re.findall(r'hx-get="([^"]+/pictures\?[^"]+)"', page)[0].replace("&amp;", "&")
    waiting = browser.get(ask, HX_Request="true").text
    assert "hx-get=" in waiting
    assert "hx-swap-oob" not in waiting
    while answer_requests(mine.worker):
        pass
    come = browser.get(ask, HX_Request="true").text
    assert come.count("hx-swap-oob=\"outerHTML:[data-picture='") == 3
    assert come.count('src="/thumbnails/') == 2
    assert "This photo is not there: no such file" in come
    assert "hx-get=" not in come
    given_up = browser.get(re.sub(r"round=\d+", "round=999", ask), HX_Request="true").text
    assert "hx-get=" not in given_up


def _forget_all(database: Database) -> None:
    with database.write() as session:
        session.execute(delete(Thumbnail))


# Who may


def test_a_library_is_its_tenants_alone(browser: Browser, stranger: Browser, mine: Library) -> None:
    run, photo = mine.run()["id"], mine.photos()["a.png"]["id"]
    home = f"/libraries/{mine.id}"
    for path in (
        home, f"{home}/runs", f"{home}/settings", f"{home}/labels", f"{home}/progress", f"{home}/delete",
        f"{home}/photos/{photo}",
        f"{home}/runs/{run}", f"{home}/runs/{run}/undo", f"{home}/runs/{run}/progress",
        f"{home}/pictures?photos={photo}", f"{home}?words=cat",
    ):  # fmt: skip
        assert browser.get(path).status_code == 200, path
        assert stranger.get(path).status_code == 404, path
    token = _token(stranger.get("/libraries/new").text)
    before = mine.photos(), mine.read(run)
    for path in (
        f"{home}/settings", f"{home}/delete", f"{home}/runs", f"{home}/runs/{run}/cancel", f"{home}/runs/{run}/undo",
        f"{home}/photos/{photo}/labels", f"{home}/photos/{photo}/caption",
    ):  # fmt: skip
        answer = stranger.post(path, csrf=token, add="mine", text="mine", task="tag", name="x", what="changed")
        assert answer.status_code == 404, path
    assert (mine.photos(), mine.read(run)) == before
    assert "There are no libraries yet" in stranger.get("/libraries").text
    source = re.findall(r'src="(/thumbnails/\w+)"', browser.get(home).text)[0]
    assert (browser.get(source).status_code, stranger.get(source).status_code) == (200, 404)


def test_who_may_only_read_sees_everything_and_has_no_buttons(
    app: Flask, database: Database, tenant: str, mine: Library
) -> None:
    run, photo = mine.run()["id"], mine.photos()["a.png"]["id"]
    reader = _browser(app, database, tenant, Scope.READ)
    home = f"/libraries/{mine.id}"
    for path in ("/libraries", home, f"{home}/photos/{photo}", f"{home}/runs/{run}", f"{home}/settings"):
        page = reader.get(path).text
        posts = set(re.findall(r'method="post" action="([^"]+)"', page))
        assert posts <= {"/logout"}, path
    token = _token(reader.get(home).text)
    assert reader.post(f"{home}/runs", csrf=token).status_code == 403


def test_giving_a_library_up_asks_first(browser: Browser, mine: Library) -> None:
    home = f"/libraries/{mine.id}"
    assert "Give this library up?" in browser.get(f"{home}/delete").text
    assert browser.send(f"{home}/delete", f"{home}/delete").location == "/libraries"
    assert browser.get(home).status_code == 404
