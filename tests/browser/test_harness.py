"""The harness itself: a tab that complains of everything it should complain of, and of nothing else."""

from __future__ import annotations

from tests.support.site import Site
from tests.support.tabs import Tabs, shoot, transferred
from tests.support.waiting import until


def test_the_documentation_shows_itself(visitor: Tabs) -> None:
    page = visitor.open("/docs")
    assert page.title()
    assert shoot(page, "docs").stat().st_size > 1000
    assert sum(transferred(page).values()) > 0


def test_a_tab_complains_of_the_console_of_strangers_and_of_scripts(site: Site, visitor: Tabs) -> None:
    """Fails if a test in a browser could pass over an error that a person's browser shows."""
    page = visitor.open("/docs")
    page.evaluate("console.error('oh'); console.warn('hm'); setTimeout(() => { throw new Error('ouch') })")
    page.goto("/no-such-page")
    page.goto(f"{site.web}/cat.jpg")
    wanted = ("oh", "hm", "ouch", f"asked somebody else: {site.web}/cat.jpg", "404")

    def heard() -> bool:
        page.wait_for_timeout(50)  # they come while one waits
        return all(what in " ".join(visitor.complaints) for what in wanted)

    until(heard, what="all complaints")
    visitor.complaints.clear()
