"""The page Try without JavaScript: forms become jobs, results become cards, and strangers' text stays text."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from api.pages.trying import try_page
from core.inputs import ItemResult
from db.engine import Database
from db.store import store_results
from tests.support.api import Caller
from tests.support.browser import Browser
from tests.support.jobs import must_claim

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
HOSTILE = "<img src=x onerror=alert(1)>\"'‮</script>" + "long" * 2500


@pytest.fixture
def browser(app: Flask, acme: Caller) -> Browser:
    return Browser.of(app, acme.key)


def photo(name: str = "cat.jpg", shown: str | None = None) -> tuple[io.BytesIO, str]:
    return io.BytesIO((SAMPLES / name).read_bytes()), shown or name


def job_of(acme: Caller, answer: Any) -> dict[str, Any]:
    assert answer.status_code == 303, answer.text
    found: dict[str, Any] = acme.get(f"/v1/jobs/{answer.location.removeprefix('/try/')}").json
    return found


def test_the_photo_form_asks_for_caption_and_tags_unless_told_otherwise(browser: Browser) -> None:
    page = browser.get("/").text
    ticked = re.findall(r'name="task" value="(\w+)" checked', page)
    assert ticked == ["caption", "tag"]
    for testid in ("photo-drop", "urls", "submit"):
        assert f'data-testid="{testid}"' in page
    assert page.count('data-testid="submit"') == 1


def test_photos_and_addresses_become_one_interactive_job(browser: Browser, acme: Caller) -> None:
    job = job_of(
        acme,
        browser.send(
            "/", "/try", files=[photo(), photo("rocket.jpg", "ra\u0301ke\x07te.jpg")], urls="http://a/1.jpg\n\n s3://b/c.jpg",
            task=["tag", "classify"], vocabulary="own", own_words="a cat,\nrocket", top_k="7",
        ),
    )  # fmt: skip
    assert set(job["tasks"]) == {"tag", "classify"}
    assert job["priority"] == "interactive"
    assert job["options"]["tag"] | {"threshold": 0} == {"top_k": 7, "threshold": 0, "vocabulary": ["a cat", "rocket"]}
    assert job["counts"]["total"] == 4
    page = browser.get(f"/try/{job['id']}").text
    assert page.count('data-testid="result"') == 4
    names = [
        name
        for name in ("cat.jpg", "ra\u0301kete.jpg", "http://a/1.jpg", "s3://b/c.jpg")
        if f"<bdi>{name}</bdi>" in page
    ]
    assert len(names) == 4


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"task": "caption"}, "Choose photos, or paste the addresses"),
        ({"urls": "http://a"}, "Tick at least one"),
        ({"urls": "http://a", "task": "tag", "vocabulary": "own"}, "some words of your own"),
        ({"urls": "http://a", "task": "tag", "top_k": "0"}, "greater than or equal to 1"),
        ({"urls": "http://a", "task": "tag", "top_k": "many"}, "a whole number"),
        ({"urls": "http://a", "task": "tag", "top_k": "9" * 5000}, "a whole number"),
        ({"urls": "http://a\n" * 101, "task": "tag"}, "100 photos at a time"),
        ({"urls": "http://a", "task": "tag", "model_tag": "none-such"}, "none-such"),
        ({"urls": "file:///etc/passwd", "task": "tag", "vocabulary": "nothing"}, "vocabulary"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    browser: Browser, acme: Caller, fields: dict[str, str], said: str
) -> None:
    answer = browser.send("/", "/try", **fields)
    assert answer.status_code == 422
    assert said in answer.text
    assert "<main" in answer.text
    assert acme.jobs() == []


def test_a_file_that_is_no_photo_is_named(browser: Browser, acme: Caller) -> None:
    answer = browser.send("/", "/try", task="tag", files=[photo(), (io.BytesIO(b"%PDF-1.7 ..."), "<b>bill.pdf")])
    assert answer.status_code == 422
    assert "&lt;b&gt;bill.pdf" in answer.text
    assert acme.jobs() == []


def test_a_text_form_becomes_a_job_of_its_task_and_model(browser: Browser, acme: Caller) -> None:
    job = job_of(acme, browser.send("/", "/try/text", task="spam", text="call now"))
    assert (job["tasks"], job["counts"]["total"]) == (["spam"], 1)
    assert browser.send("/", "/try/text", task="spam", text="  ").status_code == 422
    assert browser.send("/", "/try/text", task="tag", text="x").status_code == 422


def test_what_is_typed_is_answered_by_the_token_in_the_form_alone(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fails if the form's token is asked for once more when the wait is over: the body that held it is read by then."""
    monkeypatch.setattr(try_page, "TYPED_WAIT_S", 0.1)
    browser.headers["HX-Request"] = "true"
    answer = browser.send("/", "/try/text", task="spam", text="you won")
    assert answer.status_code == 200
    assert "This takes longer than usual" in answer.text


def test_strangers_text_is_text(browser: Browser, acme: Caller, database: Database) -> None:
    """Ids, labels, captions and messages of errors may hold anything."""
    inputs = [{"id": HOSTILE[:150], "url": "http://a/%3Cscript%3E"}, {"id": HOSTILE[:150], "url": "http://a/2"}]
    job = acme.submit(inputs, tasks=["caption", "tag"], options={"caption": {"candidates": 2}})
    claim = must_claim(database)
    good, bad = claim.items
    caption = {"text": HOSTILE, "score": 0.4, "model": HOSTILE, "candidates": [{"text": HOSTILE, "score": 0.4}] * 2}
    outputs = {"caption": caption, "tag": {"labels": [{"label": HOSTILE, "score": 0.9}], "model": HOSTILE}}
    error = {"code": "image_corrupt", "message": HOSTILE, "permanent": True}
    with database.write() as session:
        store_results(
            session, claim, [ItemResult(good, outputs=outputs, media={"sha256": "0" * 64}), failed(bad, error)]
        )
    page = browser.get(f"/try/{job['id']}").text
    assert "<img src=x" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    for at in re.finditer("‮", page):  # what turns the direction of text stays within its element
        before = page[: at.start()]
        assert before.rfind("<bdi>") > before.rfind("</bdi>") or in_attribute(before) or in_command(before)
    assert "This photo is damaged" in page


def failed(item: Any, error: dict[str, Any]) -> ItemResult:
    from core.errors import ItemError

    return ItemResult(item, error=ItemError(error["code"], error["message"], permanent=error["permanent"]))


def in_attribute(before: str) -> bool:
    return before.rfind("<") > before.rfind(">")


def in_command(before: str) -> bool:
    return before.rfind('<pre id="curl"') > before.rfind("</pre>")


def test_cards_show_what_came(browser: Browser, acme: Caller, database: Database) -> None:
    job = acme.submit(["http://a/1"], tasks=["caption", "tag"])
    claim = must_claim(database)
    labels = [{"label": f"label {place}", "score": 0.9 - place / 20} for place in range(25)]
    outputs = {"caption": {"text": "a cat", "score": 0.456, "model": "m@1"}, "tag": {"labels": labels, "model": "m@1"}}
    with database.write() as session:
        store_results(session, claim, [ItemResult(claim.items[0], outputs=outputs)])
    page = browser.get(f"/try/{job['id']}").text
    bars = re.findall(r'<li data-testid="bar"( class="unlikely")?>.*?<bdi>(.*?)</bdi>.*?"value">(.*?)</span>', page)
    assert [label for _, label, _ in bars] == [f"label {place}" for place in range(20)]
    assert [bool(grey) for grey, _, _ in bars] == [score["score"] < 0.5 for score in labels[:20]]
    assert bars[0][2] == "0.90"
    assert re.search(r'data-testid="caption"><bdi>a cat</bdi></span>\s*<span class="small">0.46', page)
    news = browser.get(f"/try/{job['id']}/news?shown=").text
    assert 'id="result-0" data-testid="result" data-state="succeeded" hx-swap-oob="true"' in news
    assert 'id="result-0"' not in browser.get(f"/try/{job['id']}/news?shown=0,").text


def test_of_a_large_job_the_first_cards_are_shown(browser: Browser, acme: Caller) -> None:
    job = acme.submit([f"http://a/{number}" for number in range(250)])
    page = browser.get(f"/try/{job['id']}").text
    assert page.count('data-testid="result"') == 100
    assert "These are 100 of 250" in page


def test_somebody_elses_results_are_not_there(browser: Browser, rival: Caller) -> None:
    job = rival.submit(["http://a/1"])
    assert browser.get(f"/try/{job['id']}").status_code == 404
    assert browser.get(f"/try/{job['id']}/news").status_code == 404


def test_the_command_is_what_a_shell_reads(browser: Browser, acme: Caller, tmp_path: Path) -> None:
    """Fails if a quote in somebody's id ends the quotes of the command."""
    import html
    import json
    import shlex

    job = acme.submit([{"id": "it's; rm -rf $HOME `x`", "url": "http://a/'"}])
    page = browser.get(f"/try/{job['id']}").text
    found = re.search(r'<pre id="curl"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found is not None
    words = shlex.split(html.unescape(found[1]))
    assert words[0] == "curl"
    body = json.loads(words[words.index("-d") + 1])
    assert body["inputs"] == [{"id": "it's; rm -rf $HOME `x`", "url": "http://a/'"}]
