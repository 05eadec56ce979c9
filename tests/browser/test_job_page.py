"""One job in the browser: followed without polling, retried, cancelled, removed; by people without JavaScript, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.photos import SAMPLES
from tests.support.site import Site
from tests.support.tabs import Tabs, shifts, shoot
from tests.support.waiting import until


@pytest.fixture
def held(site: Site) -> Iterator[Site]:
    """The web server answers nothing below /held/ until the test says so."""
    site.released.clear()
    yield site
    site.released.set()


def items(page: Page) -> list[str]:
    """What the places of the items show."""
    return page.get_by_test_id("item").all_inner_texts()


@pytest.mark.parametrize("width", [360, 1440])
def test_a_job_is_followed_without_polling_and_nothing_moves(held: Site, tabs: Tabs, width: int) -> None:
    """Fails if the page asks while nothing happens, is loaded again, or moves what somebody reads or will press."""
    names = ("cat.jpg", "held/coffee.jpg", "held/not-here.jpg", "held/clock.jpg")
    job = held.submit([f"{held.web}/{name}" for name in names], tasks=["caption", "tag"], webhook={"url": held.web})
    page = tabs.open(f"/jobs/{job}", width=width)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate("window.same = true")
    expect(page.get_by_test_id("item")).to_have_count(1)
    expect(page.get_by_test_id("open-item")).to_have_count(3)
    expect(page.get_by_text("Running", exact=True)).to_be_visible()

    def quiet() -> bool:
        asked.clear()
        page.wait_for_timeout(2500)  # a part is asked for again after a second
        return asked == []

    until(quiet, what="the end of what had begun")
    held.released.set()
    expect(page.get_by_role("button", name="Run 1 failed photo again")).to_be_visible()
    expect(page.get_by_test_id("item")).to_have_count(4)
    expect(page.get_by_test_id("failure")).to_contain_text(
        "1 photo could not be fetched: the server said 404 (Not Found)"
    )
    expect(page.locator("#outcome")).to_have_text("Done: 3 photos succeeded, 1 failed.")
    expect(page.get_by_test_id("item").nth(1).locator("img")).to_be_visible()
    assert page.evaluate("window.same")
    assert shifts(page) < 0.005, page.evaluate("window.shifted")
    shoot(page, "job-followed")


def test_what_failed_is_run_again(site: Site, tabs: Tabs) -> None:
    job = site.finished(f"{site.web}/cat.jpg", f"{site.web}/later.jpg", tasks=["classify"])
    page = tabs.open(f"/jobs/{job}")
    (site.photos / "later.jpg").write_bytes((SAMPLES / "coffee.jpg").read_bytes())
    page.get_by_test_id("retry").click()
    expect(page.locator("#outcome")).to_have_text("Done: 2 photos succeeded, 0 failed.")
    expect(page.get_by_test_id("item")).to_have_count(2)
    expect(page.get_by_test_id("failure")).to_have_count(0)
    expect(page.get_by_test_id("retry")).to_have_count(0)


def test_without_javascript_a_job_is_cancelled_read_loaded_and_removed(held: Site, tabs: Tabs) -> None:
    job = held.submit([f"{held.web}/cat.jpg", f"{held.web}/held/cat.jpg"], name="By hand")
    page = tabs.open(f"/jobs/{job}", java_script_enabled=False)
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#outcome")).to_contain_text("Cancelled:")
    page.get_by_role("link", name="load it again").click() if page.get_by_role(
        "link", name="load it again"
    ).count() else None
    with page.expect_download() as loaded:
        page.get_by_role("link", name="CSV", exact=True).click()
    assert Path(loaded.value.path()).read_text("utf-8-sig").startswith("seq,id,state,input,label,score")
    with page.expect_download() as loaded:
        page.get_by_role("link", name="JSON", exact=True).click()
    rows = json.loads(Path(loaded.value.path()).read_bytes())
    assert {row["seq"] for row in rows} <= {0, 1}
    page.get_by_role("link", name="Delete…").click()
    expect(page.get_by_role("heading")).to_have_text("Delete this job?")
    page.get_by_role("link", name="Keep it").click()
    page.get_by_role("link", name="Delete…").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page).to_have_url(f"{held.url}/jobs")
    expect(page.get_by_text("By hand")).to_have_count(0)


def test_jobs_are_found_by_id_beginning_and_state(site: Site, tabs: Tabs) -> None:
    job = site.finished(f"{site.web}/cat.jpg", name="To be found")
    page = tabs.open("/jobs")
    for typed in (job, job.upper(), f"http://elsewhere/v1/jobs/{job}/results", job[:23]):
        page.get_by_label("Find a job").fill(typed)
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/jobs/{job}")
        page.go_back()
    page.get_by_label("Find a job").fill("ffffffff")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("No job of yours begins with ffffffff")).to_be_visible()
    page.get_by_label("Find a job").fill("<b>cat</b>")
    page.get_by_role("button", name="Find").click()
    expect(page.get_by_text("No id looks like <b>cat</b>")).to_be_visible()
    page.get_by_role("link", name="Cancelled").click()
    expect(page.get_by_text("To be found")).to_have_count(0)
    page.get_by_role("link", name="Done").click()
    expect(page.get_by_role("link", name="To be found")).to_be_visible()


def test_webhooks_show_every_attempt_and_are_sent_again(site: Site, tabs: Tabs) -> None:
    job = site.finished(f"{site.web}/cat.jpg", webhook={"url": f"{site.web}/hook"})
    page = tabs.open(f"/jobs/{job}")
    expect(page.get_by_test_id("delivery")).to_have_count(1)

    def attempts(least: int) -> None:
        def made() -> bool:
            (delivery,) = site.up.client.call("GET", f"/v1/jobs/{job}/deliveries")["data"]
            return len(delivery["attempts"]) >= least

        until(made, what=f"attempt {least}")
        page.reload()

    attempts(1)
    page.get_by_role("button", name="Send again").click()
    attempts(2)
    expect(page.get_by_test_id("delivery").locator("ol li").nth(1)).to_contain_text("The receiver answered 501")
