"""Pages of jobs and of the system as HTML: whose jobs they show, what their parts say, what their forms change."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from core.errors import ItemError
from core.inputs import ItemResult
from core.scopes import Scope
from db.engine import Database
from db.job_failures import group_failures
from db.keys import create_key, find_caller, hash_key
from db.store import store_results
from db.throughput import add_finished
from db.workers import beat
from tests.support.api import Caller
from tests.support.browser import Browser, form_to
from tests.support.jobs import make_job, must_claim

HOSTILE = "<img src=x onerror=alert(1)>\"'\u202e</script>" + "long" * 2500
CODES = ("fetch_http_404", "fetch_timeout", "image_corrupt")


@pytest.fixture
def browser(app: Flask, acme: Caller) -> Browser:
    return Browser.of(app, acme.key)


def run(database: Database, labels: str = "cat", message: str = "no") -> None:
    """The next chunk: every second item fails, each with another code than the one before."""
    claimed = must_claim(database)
    results = []
    for item in claimed.items:
        if item.seq % 2:
            error = ItemError(CODES[item.seq // 2 % 3], message, permanent=item.seq // 2 % 3 != 1)
            results.append(ItemResult(item, error=error))
        else:
            found = [{"label": labels, "score": 0.91}, {"label": "dog", "score": 0.2}]
            results.append(ItemResult(item, outputs={"classify": {"labels": found, "model": "test@1.0.0"}}))
    with database.write() as session:
        store_results(session, claimed, results)


def press(browser: Browser, path: str) -> Any:
    """Press a button that sends a form to a path, whether or not the page shows it now."""
    return browser.post(path, **(form_to(browser.get("/jobs").text, "/logout") or {}))


def a_job(acme: Caller, count: int, **fields: object) -> str:
    """A job's id, in chunks of 4."""
    return str(acme.submit([f"http://photos.example/{n}.jpg" for n in range(count)], **fields)["id"])


def test_failures_are_grouped_with_the_first_examples_of_each(database: Database, tenant: str) -> None:
    job = make_job(database, tenant, items=40, chunk=40)
    make_job(database, tenant, items=4)
    run(database)
    with database.read() as session:
        groups = group_failures(session, job)
    assert [(group.code, group.count) for group in groups] == [
        ("fetch_http_404", 7), ("fetch_timeout", 7), ("image_corrupt", 6)
    ]  # fmt: skip
    assert [example["seq"] for example in groups[1].examples] == [3, 9, 15]
    assert groups[0].examples[0]["input"] == {"url": "http://photos.example/1.jpg"}
    assert [group.permanent for group in groups] == [True, False, True]


def test_a_job_shows_its_failures_in_words_and_a_place_for_each_item(
    browser: Browser, acme: Caller, database: Database
) -> None:
    job = a_job(acme, 30)
    run(database)
    page = browser.get(f"/jobs/{job}").text
    assert page.count('data-testid="item"') == 4
    assert page.count('data-testid="open-item"') == 20
    assert "1 photo could not be fetched: the server said 404 (Not Found)" in page
    assert "Trying again may help" in page
    assert f"/jobs/{job}?from=24#results" in page
    rest = browser.get(f"/jobs/{job}?from=24").text
    assert rest.count('data-testid="open-item"') == 6
    assert browser.get(f"/jobs/{job}?state=failed").text.count('data-testid="item"') == 2


def test_a_part_has_what_is_new_and_nothing_else(browser: Browser, acme: Caller, database: Database) -> None:
    """Fails if a picture, a button or the failures are made again though nothing about them has changed."""
    job = a_job(acme, 8)
    asked = f"/jobs/{job}/live?from=0&end=8&"
    run(database)
    part = browser.get(asked + "open=0,1,2,3,4,5,6,7&failed=0&shown=queued").text
    assert part.count('data-testid="item"') == 4
    assert 'name="open" value="4,5,6,7"' in part
    for changed in ('id="main-action"', 'id="failures"', 'id="outcome"'):
        assert changed in part
    part = browser.get(asked + "open=4,5,6,7&failed=2&shown=running").text
    for same in ('data-testid="item"', 'id="main-action"', 'id="failures"', 'id="outcome"', "beforeend"):
        assert same not in part
    run(database)
    part = browser.get(asked + "open=4,5,6,7&failed=2&shown=running").text
    assert part.count('data-testid="item"') == 4
    assert 'data-testid="retry"' in part
    assert "4 photos succeeded, 4 failed." in part


def test_a_part_takes_nonsense_for_nothing(browser: Browser, acme: Caller) -> None:
    job = a_job(acme, 2)
    assert browser.get(f"/jobs/{job}/live?from=0&end=2&open=x,-1,99999999999,{'1,' * 999}&failed=0").status_code == 200
    assert browser.get(f"/jobs/{job}/live?from=-1&end=2").status_code == 422
    assert browser.get(f"/jobs/{job}?from=999999999999").status_code == 422


def test_what_a_listing_finds_comes_behind_what_is_shown(browser: Browser, acme: Caller) -> None:
    """As if 2 of 6 places had been known when the page was made."""
    job = a_job(acme, 6)
    part = browser.get(f"/jobs/{job}/live?from=0&end=2&open=0,1&failed=0&shown=queued").text
    assert [f'id="item-{seq}"' in part for seq in range(6)] == [False, False, True, True, True, True]
    assert 'name="open" value="0,1,2,3,4,5"' in part
    assert 'name="end" value="6"' in part


def test_files_are_what_the_api_streams(browser: Browser, acme: Caller, database: Database) -> None:
    job = a_job(acme, 4)
    run(database, labels="=HYPERLINK()")
    lines = browser.get(f"/jobs/{job}/results.ndjson")
    assert lines.headers["Content-Disposition"] == f'attachment; filename="{job}.ndjson"'
    assert lines.text == acme.get(f"/v1/jobs/{job}/results", Accept="application/x-ndjson").text
    assert json.loads(browser.get(f"/jobs/{job}/results.json").text) == [json.loads(x) for x in lines.text.splitlines()]
    table = list(csv.DictReader(io.StringIO(browser.get(f"/jobs/{job}/results.csv").text.removeprefix("\ufeff"))))
    assert [row["label"] for row in table] == ["'=HYPERLINK()", "", "'=HYPERLINK()", ""]
    empty = a_job(acme, 1)
    assert json.loads(browser.get(f"/jobs/{empty}/results.json").text) == []


def test_jobs_of_others_are_not_there(app: Flask, acme: Caller, rival: Caller, database: Database) -> None:
    job = a_job(acme, 4)
    run(database)
    theirs = Browser.of(app, rival.key)
    assert job not in theirs.get("/jobs").text
    assert f'No job of yours begins with <bdi class="quoted">{job}' in theirs.get(f"/jobs?q={job}").text
    for path in ("", "/live", "/events", "/results/0", "/results.csv", "/results.json", "/delete"):
        assert theirs.get(f"/jobs/{job}{path}").status_code == 404, path
    for path in ("cancel", "retry", "delete", f"deliveries/{job}/resend"):
        assert press(theirs, f"/jobs/{job}/{path}").status_code == 404, path
    assert acme.get(f"/v1/jobs/{job}").json["state"] == "completed"


def test_strangers_text_stays_text(browser: Browser, acme: Caller, database: Database) -> None:
    """Fails if a label, a name, an id, an address, a message or metadata comes out as markup anywhere."""
    given = {"id": HOSTILE[:200], "url": "http://photos.example/" + HOSTILE[:1000]}
    job = str(acme.submit([given] * 4, name=HOSTILE[:200], metadata={"x": HOSTILE[:500]})["id"])
    run(database, labels=HOSTILE, message=HOSTILE)
    for path in ("/jobs", f"/jobs/{job}", f"/jobs/{job}/results/0", f"/jobs/{job}/results/1", f"/jobs/{job}/delete",
                 f"/jobs/{job}/live?open=0,1,2,3&failed=0&shown=queued", f"/jobs?q={HOSTILE[:100]}"):  # fmt: skip
        page = browser.get(path)
        assert page.status_code == 200, path
        assert "<img src=x" not in page.text, path
        assert page.text.count("</script>") == page.text.count("<script "), path


@pytest.mark.parametrize("name", [" ", "\u202e\u200b", "\u3164"])
def test_links_and_headings_show_something(browser: Browser, acme: Caller, database: Database, name: str) -> None:
    """Fails if a name or an id without a visible letter is all that a link or a heading holds."""
    job = str(acme.submit([{"id": name, "url": f"http://a/{number}"} for number in range(4)], name=name)["id"])
    run(database)
    for path in ("/jobs", f"/jobs/{job}", f"/jobs/{job}/results/0", f"/try/{job}"):
        page = browser.get(path).text
        assert "<bdi" in page, path
        assert not re.findall(rf"<bdi[^>]*>\s*{name}\s*</bdi>", page), path


def test_forms_do_what_they_say_once(browser: Browser, acme: Caller, database: Database) -> None:
    job = a_job(acme, 8)
    run(database)
    for _ in range(2):  # pressed twice: the second finds it done, and is no error
        assert press(browser, f"/jobs/{job}/cancel").status_code == 303
    counts = acme.get(f"/v1/jobs/{job}").json["counts"]
    assert (counts["cancelled"], counts["failed"]) == (4, 2)
    for _ in range(2):
        assert press(browser, f"/jobs/{job}/retry").status_code == 303
    assert acme.get(f"/v1/jobs/{job}").json["counts"]["pending"] == 2
    assert press(browser, f"/jobs/{job}/delete").location == "/jobs"
    assert browser.get(f"/jobs/{job}").status_code == 404


def test_the_system_shows_nothing_of_anybodys_jobs(
    browser: Browser, rival: Caller, database: Database, tmp_path: Path
) -> None:
    theirs = a_job(rival, 6, name="secret plans")
    with database.write() as session:
        beat(session, "w1", ["test@1.0.0"])
        add_finished(session, "w1", 40, 2)
    page = browser.get("/system").text
    for hidden in (theirs, "secret plans", "rival"):
        assert hidden not in page
    assert "42 in all" in page
    assert "test@1.0.0" in page
    assert 'data-testid="worker"' in page


def test_who_may_only_read_sees_no_button_and_changes_nothing(app: Flask, acme: Caller, database: Database) -> None:
    job = a_job(acme, 4, webhook={"url": "http://hooks.example/"})
    run(database)
    with database.write() as session:
        tenant_id = find_caller(session, hash_key(acme.key)).tenant_id  # type: ignore[union-attr]
        key = create_key(session, tenant_id, "reader", scope=Scope.READ)
    reader = Browser.of(app, key)
    page = reader.get(f"/jobs/{job}").text
    assert "2 failed" in page
    for hidden in ('data-testid="retry"', "Send again", "Delete…"):
        assert hidden not in page
    for path in ("cancel", "retry", "delete"):
        assert press(reader, f"/jobs/{job}/{path}").status_code == 403
    assert acme.get(f"/v1/jobs/{job}").json["counts"]["failed"] == 2
