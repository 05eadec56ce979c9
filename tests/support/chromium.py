"""The system's Chromium, driven by Playwright: found, started, and with a tab for each way of looking at a page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # every run of the tests loads this file, and few open a browser
    from playwright.sync_api import Browser

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chromium-headless-shell", "chrome")
# No sandbox: it asks the kernel for what containers do not have, and all pages here are ours. The rest: nothing of the
# browser's own may reach for a network, and no GPU is looked for.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
)
PATIENCE_MS = 120_000  # only what is broken takes as long, however much else the machine has to do
HOW = "Install one (Debian, Ubuntu: apt install chromium), or name one in CHROMIUM=/path/to/it."


def find_chromium() -> str | None:
    """The path of a Chromium or Chrome: the one that CHROMIUM names, else of the PATH; None if there is none."""
    named = os.environ.get("CHROMIUM")
    return named or next((found for name in NAMES if (found := shutil.which(name))), None)


def required() -> bool:
    """Whether the tests in a browser may not be skipped; continuous integration says so."""
    return os.environ.get("BROWSER_TESTS") == "required"


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    """A headless browser; its end is the end of all its tabs."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(FLAGS), timeout=PATIENCE_MS)
        try:
            yield browser
        finally:
            browser.close()
