"""Every page: small, still, for the keyboard alone, as wide as the screen in both themes, and without a finding of
axe-core; a picture of each in build/pages."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.support.keyboard import out_of_reach, without_outline
from tests.support.looks import problems_of
from tests.support.site import Site
from tests.support.tabs import WIDTHS, Tabs, look, shifts, shoot, transferred, wider_than_the_screen

FIRST_VIEW_BYTES = 100_000
STILL = 0.01  # of a cumulative layout shift; 0.1 counts as good elsewhere
PAGES = {
    "try": "/",
    "try-results": "/try/{job}",
    "jobs": "/jobs",
    "jobs-none": "/jobs?state=expired",
    "job": "/jobs/{job}",
    "job-texts": "/jobs/{texts}",
    "job-item": "/jobs/{job}/results/1",
    "job-item-failed": "/jobs/{job}/results/3",
    "job-delete": "/jobs/{job}/delete",
    "libraries": "/libraries",
    "library-new": "/libraries/new",
    "models": "/models",
    "keys": "/keys",
    "system": "/system",
    "not-there": "/jobs/00000000-0000-7000-8000-000000000000",
}
STRANGERS = {"login": "/login", "login-link": "/login/link?token=none"}
# Strangers' text: markup, signs that turn the direction of what follows, and no place to break a line.
HOSTILE = "<img src=x onerror=alert(1)>\u202e\u2066\"'</script>" + "w" * 10_000


@pytest.fixture(scope="module")
def ids(site: Site) -> dict[str, str]:
    """Photos of which some failed, with a webhook that nobody takes; and texts."""
    photos = [f"{site.web}/{name}.jpg" for name in ("astronaut", "cat", "coffee", "missing", "broken", "lost")]
    hook = {"url": f"{site.web}/hook"}
    job = site.finished(*photos, tasks=["caption", "tag"], webhook=hook, name="Holidays 2026")
    texts = site.finished({"text": "A film I could watch again"}, {"text": " "}, tasks=["sentiment", "language"])
    return {"job": job, "texts": texts}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fit_for_everybody(tabs: Tabs, ids: dict[str, str], name: str) -> None:
    tabs.expect("status of 404")
    assert _problems(tabs.open(PAGES[name].format(**ids)), name) == []


@pytest.mark.parametrize("name", STRANGERS)
def test_so_is_a_page_for_strangers(visitor: Tabs, name: str) -> None:
    visitor.expect("status of 4")
    assert _problems(visitor.open(STRANGERS[name]), name) == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_can_be_read_without_javascript(tabs: Tabs, ids: dict[str, str], name: str) -> None:
    """Fails if something is only there once a script has run. Motion is reduced, too: there is none to wait for."""
    tabs.expect("status of 404")
    path = PAGES[name].format(**ids)
    plain = tabs.open(path, java_script_enabled=False)
    scripted = tabs.open(path, reduced_motion="reduce")
    parts = (
        "main h1, main h2, main label, main summary, main button, main th"  # figures change from one moment to the next
    )
    assert plain.locator(parts).all_inner_texts() == scripted.locator(parts).all_inner_texts()
    expect(plain.locator("h1")).to_have_count(1)
    assert scripted.evaluate("document.getAnimations().length") == 0


def test_strangers_text_neither_widens_a_page_nor_runs(site: Site, tabs: Tabs) -> None:
    """Texts, names, ids, addresses and the messages about them, as rows that the service itself has made."""
    photo = {"id": HOSTILE[:200], "url": f"{site.web}/{HOSTILE[:1000]}"}
    photos = site.finished(
        photo, {**photo, "url": "nonsense" + HOSTILE[:1000]}, name=HOSTILE[:200], metadata={"x": HOSTILE}
    )
    texts = site.finished({"text": HOSTILE}, {"text": HOSTILE[::-1]}, tasks=["sentiment", "spam", "language"])
    own = site.finished(
        f"{site.web}/cat.jpg", tasks=["tag"], options={"tag": {"vocabulary": ["w" * 100, "<b>cat</b>\u202e", "cat"]}}
    )
    paths = [f"/jobs/{own}/results/0", f"/jobs/{own}", f"/try/{own}", "/jobs"]
    for job in (photos, texts):
        paths += [
            f"/jobs/{job}",
            f"/jobs/{job}/results/0",
            f"/jobs/{job}/results/1",
            f"/jobs/{job}/delete",
            f"/try/{job}",
        ]
    page = tabs.open("/system")
    page.on("dialog", lambda dialog: tabs.complaints.append(f"a script ran: {dialog.message}"))
    problems = []
    for path in paths:
        page.goto(path)
        for width in WIDTHS:
            look(page, width, "light")
            problems += [f"{path} {width}: too wide: {one}" for one in wider_than_the_screen(page)]
        problems += [
            f"{path}: {one}" for one in page.locator("main img[src=x], main b").evaluate_all(_MADE_BY_STRANGERS)
        ]
    shoot(page, "hostile")
    assert problems == []


_MADE_BY_STRANGERS = "all => all.filter(one => one.matches('[src=x]')).map(one => one.outerHTML.slice(0, 200))"


def _problems(page: Page, name: str) -> list[str]:
    size = sum(transferred(page).values())
    problems = [f"{size} bytes at first sight: {transferred(page)}"] if size > FIRST_VIEW_BYTES else []
    problems += [f"moves: {page.evaluate('window.shifted')}"] if shifts(page) > STILL else []
    problems += [f"no key leads to {one}" for one in out_of_reach(page)]
    problems += [f"no outline when in focus: {one}" for one in without_outline(page)]
    return problems + problems_of(page, name)
