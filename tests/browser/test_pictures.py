"""Every page in both themes and widths: a picture of each in build/pages, nothing wider than the screen, and nothing
that axe-core finds."""

from __future__ import annotations

import pytest

from tests.support.looks import problems_of
from tests.support.site import Site
from tests.support.tabs import Tabs

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
    "models": "/models",
    "model": "/models/caption-transformer",
    "system": "/system",
    "keys": "/keys",
    "not-there": "/jobs/00000000-0000-7000-8000-000000000000",
}
STRANGERS = {"login": "/login"}


@pytest.fixture(scope="module")
def ids(site: Site) -> dict[str, str]:
    """Photos of which some failed, with a webhook that nobody takes; and texts."""
    photos = [f"{site.web}/{name}.jpg" for name in ("astronaut", "cat", "coffee", "missing", "broken", "lost")]
    hook = {"url": f"{site.web}/hook"}
    job = site.finished(*photos, tasks=["caption", "tag"], webhook=hook, name="Holidays 2026")
    texts = site.finished({"text": "A film I could watch again"}, {"text": " "}, tasks=["sentiment", "language"])
    return {"job": job, "texts": texts}


@pytest.mark.parametrize("name", PAGES)
def test_a_page_fits_the_screen_and_axe_finds_nothing(tabs: Tabs, ids: dict[str, str], name: str) -> None:
    tabs.expect("status of 404")
    assert problems_of(tabs, name, PAGES[name].format(**ids)) == []


@pytest.mark.parametrize("name", STRANGERS)
def test_so_does_a_page_for_strangers(visitor: Tabs, name: str) -> None:
    assert problems_of(visitor, name, STRANGERS[name]) == []
