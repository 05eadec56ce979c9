"""The README's pictures: `make screenshots` writes docs/images/try.webp and docs/images/job.webp, of a service with the
sample photos."""

from __future__ import annotations

import io
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from tests.support.chromium import HOW, chromium, find_chromium
from tests.support.photos import SAMPLES
from tests.support.site import Site, running_site
from tests.support.tabs import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Page

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE = {"width": 1200, "height": 860}
QUALITY = 82
MOST_BYTES = 150_000


def main() -> None:
    path = find_chromium()
    if path is None:
        sys.exit(f"There is no Chromium. {HOW}")
    with (
        chromium(path) as browser,
        tempfile.TemporaryDirectory() as folder,
        running_site(Path(folder)) as site,
    ):
        page = browser.new_context(base_url=site.url, viewport=SIZE, reduced_motion="reduce").new_page()
        site.sign_in(page)
        take_try(page)
        take_job(page, site)


def take_try(page: Page) -> None:
    """What one sees first: photos with their sentences and labels."""
    photos = [SAMPLES / f"{name}.jpg" for name in ("cat", "coffee", "rocket")]
    page.goto("/")
    page.get_by_test_id("photo-drop").set_input_files(photos)
    page.get_by_test_id("submit").click()
    wait_until(page, f"document.querySelectorAll('[data-testid=caption]').length === {len(photos)}")
    page.wait_for_load_state("networkidle")
    page.evaluate("scrollTo(0, 0)")
    write(page, "try")


def take_job(page: Page, site: Site) -> None:
    """A job that has ended, with what failed in words; in the dark theme."""
    names = [*sorted(photo.name for photo in SAMPLES.glob("*.jpg")), "lost.jpg", "broken.jpg", "gone.jpg"]
    job = site.finished(*(f"{site.web}/{name}" for name in names), tasks=["caption", "tag"], name="Summer 2026")
    page.emulate_media(color_scheme="dark")
    page.goto(f"/jobs/{job}")
    page.wait_for_load_state("networkidle")
    write(page, "job")


def write(page: Page, name: str) -> None:
    """What the window shows, as a small WebP."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.webp"
    Image.open(io.BytesIO(page.screenshot())).save(path, quality=QUALITY, method=6)
    size = path.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{path} has {size:,} bytes; {MOST_BYTES:,} at most")
    sys.stdout.write(f"{path}: {size:,} bytes\n")


if __name__ == "__main__":
    main()
