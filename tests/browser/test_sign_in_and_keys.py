"""Signing in as a person does, and keys from the page where they are made to the program that uses them."""

from __future__ import annotations

import re
import urllib.error
import urllib.request

from playwright.sync_api import expect

from cli.stack.prepared import link_to_sign_in
from db.engine import Database
from db.keys import hash_key
from db.sign_in_links import make_link
from tests.support.axe import axe_findings
from tests.support.site import Site
from tests.support.tabs import Tabs, shoot, wider_than_the_screen
from tests.support.up_fixtures import KEY

STRANGE = "<b onload=alert(1)>\u202e" + "x" * 170


def _link(database: Database, url: str) -> str:
    with database.write() as session:
        return link_to_sign_in(url, make_link(session, hash_key(KEY)))


def _status(site: Site, key: str) -> int:
    asked = urllib.request.Request(f"{site.url}/v1/jobs", headers={"Authorization": f"Bearer {key}"})
    try:
        with urllib.request.urlopen(asked) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_wrong_key_is_said_and_the_right_one_leads_where_one_wanted(visitor: Tabs, site: Site) -> None:
    visitor.expect("status of 401")
    page = visitor.open("/models?from=a-bookmark")
    assert page.url.startswith(f"{site.url}/login?next=")
    page.get_by_label("API key").fill("tl_wrong")
    page.keyboard.press("Enter")
    page.get_by_role("alert").wait_for()
    expect(page.get_by_role("alert")).to_contain_text("unknown or revoked")
    assert axe_findings(page) == []
    page.get_by_label("API key").fill(KEY)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{site.url}/models?from=a-bookmark")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url(f"{site.url}/login")
    page.goto("/models")
    assert "/login" in page.url


def test_a_link_signs_in_whoever_opens_it_from_the_terminal(visitor: Tabs, site: Site) -> None:
    page = visitor.open(_link(site.database, site.url).removeprefix(site.url))
    expect(page).to_have_url(f"{site.url}/")
    assert page.get_by_role("button", name="Log out").is_visible()


def test_a_link_in_another_site_is_confirmed_and_leads_in(visitor: Tabs, site: Site) -> None:
    """Fails if the browser, which holds a strict cookie back after another site's link, ends signed out."""
    visitor.expect("localhost:")  # the other site
    page = visitor.open()
    page.goto(f"{site.web.replace('127.0.0.1', 'localhost')}/cat.jpg")
    page.evaluate("link => { location = link }", _link(site.database, site.url))
    page.get_by_role("button", name="Sign in").wait_for()
    assert axe_findings(page) == []
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{site.url}/")
    assert page.get_by_role("button", name="Log out").is_visible()


def test_a_bookmark_in_another_site_finds_one_signed_in(tabs: Tabs, site: Site) -> None:
    tabs.expect("localhost:")  # the other site
    page = tabs.open()
    page.goto(f"{site.web.replace('127.0.0.1', 'localhost')}/cat.jpg")
    page.evaluate("link => { location = link }", f"{site.url}/models")
    page.get_by_role("heading", name="Models", exact=True).wait_for()
    expect(page).to_have_url(f"{site.url}/models")


def _make_and_revoke(tabs: Tabs, site: Site, *, scripts: bool) -> None:
    page = tabs.open("/keys", width=360, java_script_enabled=scripts)
    page.get_by_label("Name", exact=True).fill(STRANGE)
    page.get_by_label(re.compile("^read ")).check()
    page.get_by_role("button", name="Make the key").click()
    key = page.get_by_test_id("new-key").inner_text().strip()
    assert key not in page.url
    assert _status(site, key) == 200
    if scripts:
        assert wider_than_the_screen(page) == []
        assert axe_findings(page) == []
        shoot(page, "key-made")
    page.get_by_role("link", name="All keys").click()
    mine = page.locator(f"#key-{hash_key(key)[:12]}")
    mine.get_by_text("Rename", exact=True).first.click()
    mine.get_by_label("New name").fill("the other name")
    mine.get_by_role("button", name="Rename").click()
    expect(mine).to_contain_text("the other name")
    mine.get_by_text("Revoke", exact=True).click()
    if scripts:
        assert wider_than_the_screen(page) == []
        assert axe_findings(page) == []
    mine.get_by_role("button", name="Revoke this key for good").click()
    page.get_by_text("Revoked keys").click()
    expect(mine).to_contain_text("revoked")
    assert _status(site, key) == 401


def test_a_key_is_made_used_and_revoked(tabs: Tabs, site: Site) -> None:
    _make_and_revoke(tabs, site, scripts=True)


def test_so_it_is_without_scripts(tabs: Tabs, site: Site) -> None:
    _make_and_revoke(tabs, site, scripts=False)
