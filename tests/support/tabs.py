"""Tabs of a browser that complain: of errors in the console, of scripts that fail, of requests to anybody else."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.chromium import PATIENCE_MS
from tests.support.waiting import until

if TYPE_CHECKING:  # every run of the tests loads this file, and few open a browser
    from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "build" / "pages"
WIDTHS = {360: 780, 1440: 900}  # and the heights of such screens
SCHEMES = ("light", "dark")
# Of every page: layout shifts that no click or key explains (https://web.dev/articles/cls), summed up.
COUNT_SHIFTS = """
window.layoutShifts = 0; window.shifted = [];
new PerformanceObserver(list => { for (const entry of list.getEntries()) if (!entry.hadRecentInput) {
  window.layoutShifts += entry.value;
  for (const source of entry.sources) if (source.node)
    window.shifted.push((source.node.outerHTML || source.node.textContent || "").slice(0, 60)
      + JSON.stringify(source.previousRect) + JSON.stringify(source.currentRect));
} }).observe({type: "layout-shift", buffered: true});
"""
# Bytes as they came over the wire, headers and all, of everything but pictures.
TRANSFERRED = """() => [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
  .filter(entry => !["img", "image"].includes(entry.initiatorType) && !/favicon/.test(entry.name))
  .map(entry => [entry.name, entry.transferSize])"""


@dataclass
class Tabs:
    """Opens tabs on one origin, and gathers what is wrong with what they show."""

    browser: Browser
    origin: str
    session: Any = None  # the cookies of somebody signed in, as Playwright keeps them
    complaints: list[str] = field(default_factory=list)
    _expected: list[re.Pattern[str]] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def open(
        self, path: str | None = None, *, width: int = 1440, scheme: str = "light", signed_in: bool = True, **more: Any
    ) -> Page:
        """A tab of a browser without history.

        Args:
            path: what to look at first.
            scheme: "light" or "dark".
            more: as Playwright's `new_context` takes it: `java_script_enabled`, `reduced_motion`, ...
        """
        context = self.browser.new_context(
            base_url=self.origin,
            viewport={"width": width, "height": WIDTHS.get(width, 900)},
            color_scheme=scheme,  # type: ignore[arg-type]
            storage_state=self.session if signed_in else None,
            **more,
        )
        context.set_default_timeout(PATIENCE_MS)
        context.on("request", self._asked)
        context.on("console", self._said)
        context.on("weberror", lambda error: self._complain(f"script failed: {str(error.error)[:500]}"))
        self._contexts.append(context)
        page = context.new_page()
        if more.get("java_script_enabled", True):
            page.add_init_script(COUNT_SHIFTS)
        if path is not None:
            page.goto(path)
        return page

    def expect(self, pattern: str) -> None:
        """A complaint that this test provokes, such as a 422's in the console."""
        self._expected.append(re.compile(pattern))

    def close(self) -> list[str]:
        """Close all tabs; what was wrong."""
        for context in self._contexts:
            context.close()
        return self.complaints

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.origin}/", "data:", "blob:", "about:")):
            self._complain(f"asked somebody else: {request.url[:200]}")

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            where = message.location.get("url", "") if message.location else ""
            self._complain(f"console: {message.text[:500]} ({where})")

    def _complain(self, text: str) -> None:
        if not any(pattern.search(text) for pattern in self._expected):
            self.complaints.append(text)


def look(page: Page, width: int, scheme: str) -> None:
    """Look at the page on another screen, or in another theme."""
    page.set_viewport_size({"width": width, "height": WIDTHS[width]})
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type] # no colour on its way


def wait_until(page: Page, condition: str) -> None:
    """Until a JavaScript expression is true.

    Playwright's `wait_for_function` asks inside the page again, where our policy forbids `eval`: it works only where
    nothing is to be waited for.
    """
    until(lambda: page.evaluate(condition), what=condition)


def shoot(page: Page, name: str) -> Path:
    """A picture of the whole page in build/pages, named by the page, the width and the theme."""
    size = page.viewport_size or {"width": 0}
    dark = page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    PICTURES.mkdir(parents=True, exist_ok=True)
    path = PICTURES / f"{name}-{size['width']}-{'dark' if dark else 'light'}.png"
    page.screenshot(path=path, full_page=True, animations="disabled")
    return path


def shifts(page: Page) -> float:
    """How far things have jumped about since the page was opened, without anybody touching it."""
    return float(
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(() => done(layoutShifts))))")
    )


def transferred(page: Page) -> dict[str, int]:
    """Bytes on the wire of everything that the page has loaded, pictures aside, by URL."""
    return dict(page.evaluate(TRANSFERRED))


def wider_than_the_screen(page: Page) -> list[str]:
    """Elements that reach beyond the right edge, if the page can be scrolled sideways; empty if it cannot."""
    return list(
        page.evaluate(
            """() => { const edge = document.documentElement.clientWidth;
            if (document.documentElement.scrollWidth <= edge) return [];
            return [...document.body.querySelectorAll("*")].filter(one => one.getBoundingClientRect().right > edge + 1)
              .map(one => one.outerHTML.slice(0, 120)).slice(0, 10); }"""
        )
    )
