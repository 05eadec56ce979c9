"""Whole ways: a newcomer's from the key to a failure that is run again, and an operator's at night."""

from __future__ import annotations

import signal

from playwright.sync_api import expect
from sqlalchemy import update

from db.tables import Worker
from tests.support.axe import axe_findings
from tests.support.photos import SAMPLES
from tests.support.site import Site
from tests.support.tabs import Tabs, shoot, wait_until
from tests.support.up_fixtures import KEY, send
from tests.support.waiting import until


def test_a_newcomer(site: Site, visitor: Tabs) -> None:
    """Sign in, drop the sample photos, see captions and bars, open the job, run a failure again."""
    page = visitor.open("/")
    assert "/login" in page.url
    page.locator("input[name=key]").fill(KEY)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}/")
    photos = sorted(SAMPLES.glob("*.jpg"))
    page.get_by_test_id("photo-drop").set_input_files(photos)
    page.get_by_test_id("urls").fill(f"{site.web}/forgotten.jpg")
    page.get_by_test_id("submit").click()
    results = page.get_by_test_id("result")
    expect(results).to_have_count(len(photos) + 1)
    expect(page.get_by_test_id("caption")).to_have_count(len(photos))
    cat = results.filter(has_text="cat.jpg")
    expect(cat.get_by_test_id("caption")).to_contain_text("cat")
    expect(cat.get_by_test_id("bar")).to_have_count(20)
    expect(cat.get_by_test_id("bar").first).to_contain_text("cat")
    expect(cat.locator("img")).to_be_visible()
    wait_until(page, "[...document.querySelectorAll('[data-testid=result] img')].every(one => one.naturalWidth)")
    expect(results.filter(has_text="forgotten.jpg")).to_contain_text("the server said 404")
    page.get_by_role("link", name="The job").click()
    expect(page.get_by_test_id("failure")).to_contain_text("1 photo could not be fetched: the server said 404")
    (site.photos / "forgotten.jpg").write_bytes((SAMPLES / "coffee.jpg").read_bytes())
    page.get_by_test_id("retry").click()
    expect(page.locator("#outcome")).to_contain_text(f"{len(photos) + 1} photos succeeded, 0 failed")
    page.get_by_role("link", name="forgotten.jpg").click()
    expect(page.locator(".bars li")).to_have_count(20)
    page.get_by_role("button", name="Log out").click()
    page.goto("/jobs")
    assert "/login" in page.url


def test_an_operator(site: Site, tabs: Tabs) -> None:
    """The worker hangs at night: the open page says so by itself in words, and that all is well once it goes on."""
    page = tabs.open("/system")
    expect(page.get_by_test_id("well")).to_be_visible()
    workers = site.up.pids("worker")
    try:
        with site.database.write() as session:  # while nobody else writes: a lock of theirs would stand still, too
            send(workers, signal.SIGSTOP)
            session.execute(update(Worker).values(seen_at=Worker.seen_at - 60_000))  # as if a minute had passed
        job = site.submit([f"{site.web}/cat.jpg"])
        expect(page.get_by_test_id("alarm").first).to_contain_text("No worker is alive: nothing is being run.")
        expect(page.get_by_test_id("worker")).to_contain_text("silent")
        shoot(page, "system-alarm")
        assert axe_findings(page) == []
    finally:
        send(workers, signal.SIGCONT)
    site.up.finished({"id": job})

    def well() -> bool:
        page.reload()
        return page.get_by_test_id("well").count() == 1 and ", 0 in all" not in page.content()

    until(well, what="a page that says that all is well, and counts what was finished")
    expect(page.get_by_test_id("worker")).to_contain_text("tag-open@")
