"""The way of a library in a browser: a first night, what the second one changed, a correction by keys, and undoing."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from sqlalchemy import delete

from db.thumbnail_tables import Thumbnail
from tests.support.looks import problems_of
from tests.support.photos import SAMPLES
from tests.support.site import Site
from tests.support.tabs import Tabs, shifts, wait_until
from tests.support.waiting import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

NIGHT_MS = 300_000
PAGES = {
    "libraries": "/libraries",
    "library-new": "/libraries/new",
    "library": "",
    "library-search": "?words=a+cat",
    "library-failed": "?state=failed",
    "library-labels": "/labels",
    "library-settings": "/settings",
    "library-delete": "/delete",
    "library-runs": "/runs",
    "library-night": "/runs/{run}",
    "library-undo": "/runs/{run}/undo",
    "library-photo": "/photos/{photo}",
}


@pytest.fixture(scope="module")
def folder(site: Site) -> Path:
    place = site.folders / "holidays"
    place.mkdir()
    for name in ("cat", "coffee", "rocket"):
        shutil.copy(SAMPLES / f"{name}.jpg", place)
    shutil.copy(SAMPLES / "flower.jpg", place / "<b>our & 'garden'<b>.jpg")
    return place


@pytest.fixture(scope="module")
def library(site: Site, folder: Path) -> str:
    """The path of a library that has had a night; not the one of the journey, which begins with the form."""
    fields = {"name": "Nights <i>", "tasks": ["tag", "caption"], "source": {"folder": str(folder)}}
    made = _sent(site, "/v1/libraries", fields)
    _night(site, made["id"])
    (folder / "broken.jpg").write_bytes((SAMPLES / "clock.jpg").read_bytes()[:3_000])
    _night(site, made["id"])
    return f"/libraries/{made['id']}"


def _sent(site: Site, path: str, fields: dict[str, Any]) -> Any:
    body = json.dumps(fields).encode()
    return site.up.client.call("POST", path, body=body, headers={"Content-Type": "application/json"})


def _night(site: Site, library_id: str) -> None:
    run = _sent(site, f"/v1/libraries/{library_id}/runs", {})

    def over() -> bool:
        now = site.up.client.call("GET", f"/v1/libraries/{library_id}/runs/{run['id']}")
        return bool(now["finished_at"])

    until(over, timeout_s=NIGHT_MS / 1000, what="the end of the night")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_the_screen_and_axe_finds_nothing(site: Site, tabs: Tabs, library: str, name: str) -> None:
    call, home = site.up.client.call, f"/v1{library}"
    found = {
        "run": call("GET", f"{home}/runs")["data"][0]["id"],
        "photo": call("GET", f"{home}/photos")["data"][0]["id"],
    }
    path = PAGES[name].format(**found)
    assert problems_of(tabs.open(path if path.startswith("/libraries") else f"{library}{path}"), name) == []


def _run(page: Page) -> None:
    """Press the button, and see the page come anew by itself when the night is over."""
    with page.expect_navigation():
        page.get_by_test_id("run").click()
    page.locator("#progress").wait_for(state="detached", timeout=NIGHT_MS)  # a short night may be over before it loads
    page.get_by_test_id("run").wait_for()


def _pictures(page: Page) -> None:
    """Every photo of the page shows its picture."""
    wait_until(
        page, "[...document.querySelectorAll('.tile')].every(one => one.querySelector('img.picture')?.naturalWidth)"
    )


def test_a_night_a_change_a_correction_and_undoing_it(site: Site, tabs: Tabs) -> None:
    """Fails if the whole way of a photographer did not work, or anything was said in the browser's console."""
    folder = site.folders / "journey"
    folder.mkdir()
    for name in ("cat", "coffee", "rocket"):
        shutil.copy(SAMPLES / f"{name}.jpg", folder)
    page = tabs.open("/libraries")
    page.get_by_role("link", name="New library").click()
    page.get_by_label("Name").fill("Journey")
    page.get_by_label("Folder, S3 place or address").fill("/nowhere")
    page.get_by_role("button", name="Make it").click()
    page.locator("#notice .problem").wait_for()  # and what was filled in is there still
    page.get_by_label("Folder, S3 place or address").fill(str(folder))
    page.get_by_role("button", name="Make it").click()
    page.wait_for_url(re.compile(r"/libraries/[0-9a-f-]{36}$"))
    home = page.url

    _run(page)
    expect(page.get_by_test_id("photo")).to_have_count(3)
    _pictures(page)
    page.locator("#facets .chip").first.wait_for()

    shutil.copy(SAMPLES / "flower.jpg", folder / "coffee.jpg")
    _run(page)
    change = page.get_by_test_id("change")
    expect(change).to_have_count(1)
    expect(change).to_contain_text("coffee.jpg")
    assert change.locator(".chip.added").count() > 0
    assert change.locator(".chip.removed").count() > 0

    page.get_by_test_id("photo").filter(has_text="cat.jpg").get_by_role("link").click()
    page.wait_for_url("**/photos/*")
    first = page.get_by_test_id("label").first.locator("bdi").inner_text()
    page.keyboard.press("a")
    page.keyboard.type("Whiskers axe")  # none of its letters does anything meanwhile
    page.keyboard.press("Enter")
    page.locator("#people ~ .labels").get_by_text("Whiskers axe").wait_for()
    assert page.evaluate("document.activeElement.id") == "add"
    wait_until(page, "!document.querySelector('.htmx-settling')")  # till then its buttons are those of a plain form
    page.evaluate("htmx.config.defaultSettleDelay = 60000")  # the focus must not wait for it
    page.get_by_role("button", name=f"Remove {first}", exact=True).focus()
    page.keyboard.press("x")
    page.get_by_role("button", name=f"Remove {first}", exact=True).wait_for(state="detached")
    assert page.evaluate("document.activeElement.matches('[data-remove]')")
    before = page.url
    page.keyboard.press("n")
    page.wait_for_url(lambda url: url != before)
    page.keyboard.press("p")
    page.wait_for_url(before)
    assert first not in page.locator("#said .labels bdi").all_inner_texts()

    page.goto(home)
    page.get_by_role("link", name="All that it changed").click()
    page.get_by_role("link", name=re.compile("Undo this run")).click()
    page.get_by_role("button", name="Undo it").click()
    page.get_by_text("Undone", exact=True).wait_for()
    page.goto(home)
    shown = page.get_by_test_id("photo").filter(has_text="coffee.jpg").inner_text()
    assert "espresso" in shown or "cup" in shown or "tableware" in shown

    page.get_by_label("What is to be seen").fill("a cat")
    page.keyboard.press("Enter")
    page.wait_for_url("**words=a+cat**")
    expect(page.get_by_test_id("photo").first).to_contain_text("cat.jpg")


def test_pictures_come_to_an_open_page_and_nothing_moves(site: Site, tabs: Tabs, library: str, folder: Path) -> None:
    """Photos that were run before there were thumbnails: fails if one stayed a placeholder, or the page jumped."""
    with site.database.write() as session:
        session.execute(delete(Thumbnail))
    page = tabs.open()
    served = page.goto(f"{library}?named=.jpg&state=present")
    assert served is not None
    assert served.text().count('<div class="picture"') == 4  # as it came: the pictures may be quick
    _pictures(page)
    assert shifts(page) == 0


def test_without_javascript_a_library_is_read_run_and_corrected(tabs: Tabs, library: str) -> None:
    page = tabs.open(library, java_script_enabled=False)
    page.get_by_role("link", name="cat.jpg").last.click()
    page.get_by_test_id("add").fill("by hand")
    page.get_by_role("button", name="Add").click()
    expect(page.locator(".labels").first).to_contain_text("by hand")
    page.goto(f"{library}?label=by+hand")
    expect(page.get_by_test_id("photo")).to_have_count(1)
    page.get_by_role("link", name="Labels, and how often each is there").click()
    assert "by hand" in page.inner_text("main")
    page.goto(library)
    page.get_by_role("button", name="Dry run").click()
    page.wait_for_url("**/runs/*")
    assert "Dry run of" in page.inner_text("h1")
