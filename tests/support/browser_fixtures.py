"""Fixtures for tests in a browser: one service, one Chromium and one sign-in for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.chromium import HOW, PATIENCE_MS, chromium, find_chromium, required
from tests.support.site import Site, running_site
from tests.support.tabs import Tabs

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium; without one the test is skipped, or fails where it must not be."""
    path = find_chromium()
    if path is None:
        if required():
            pytest.fail(f"There is no Chromium, and BROWSER_TESTS=required. {HOW}", pytrace=False)
        pytest.skip("no Chromium")
    with chromium(path) as started:
        yield started


@pytest.fixture(scope="session")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The service; started after the browser, so that it is not where there is none."""
    with running_site(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="session")
def session(browser: Browser, site: Site) -> Any:
    """The cookies of somebody who has signed in."""
    context = browser.new_context(base_url=site.url)
    context.set_default_timeout(PATIENCE_MS)
    site.sign_in(context.new_page())
    state = context.storage_state()
    context.close()
    return state


@pytest.fixture
def visitor(browser: Browser, site: Site) -> Iterator[Tabs]:
    """Tabs of somebody who is not signed in; anything that they complain of fails the test."""
    yield from _tabs(Tabs(browser, site.url))


@pytest.fixture
def tabs(browser: Browser, site: Site, session: Any) -> Iterator[Tabs]:
    """Tabs of somebody who is signed in."""
    yield from _tabs(Tabs(browser, site.url, session))


def _tabs(made: Tabs) -> Iterator[Tabs]:
    yield made
    assert made.close() == []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """The last line for whoever runs the tests without a browser, after all summaries."""
    yield
    terminal: Any = session.config.pluginmanager.get_plugin("terminalreporter")
    reports = terminal.getreports("skipped") if terminal else []  # a process beside others has no terminal
    skipped = [report for report in reports if "no Chromium" in str(report.longrepr)]
    if skipped:
        line = f"NOT TESTED: the pages in a browser ({len(skipped)} tests), because there is no Chromium. {HOW}"
        terminal.write_line(line, yellow=True, bold=True)
