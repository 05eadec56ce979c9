"""The API's documentation in a browser: all of it, in its own policy, from nobody else."""

from __future__ import annotations

from tests.support.site import Site
from tests.support.tabs import SCHEMES, WIDTHS, Tabs, shoot


def test_every_operation_is_shown(site: Site, visitor: Tabs) -> None:
    """Fails if an operation is missing, or if the page wants anything that its policy forbids (a tab complains)."""
    page = visitor.open("/docs")
    page.locator(".opblock-summary-path").first.wait_for()
    shown = page.evaluate("[...document.querySelectorAll('.opblock-summary-path')].map(one => one.dataset.path)")
    document = page.request.get("/openapi.json").json()
    assert sorted(shown) == sorted(path for path, found in document["paths"].items() for _ in found)
    predict = page.locator("#operations-predict-predict_ask")
    predict.locator(".opblock-summary-control").click()
    predict.get_by_text("Exactly", exact=False).first.wait_for()
    predict.get_by_role("button", name="Try it out").click()
    predict.locator("input[placeholder=task]").fill("language")
    predict.locator("input[placeholder=text]").fill("orignal")


def test_pictures(visitor: Tabs) -> None:
    for scheme in SCHEMES:
        for width in WIDTHS:
            page = visitor.open("/docs", width=width, scheme=scheme)
            page.locator(".opblock-summary-path").first.wait_for()
            shoot(page, "docs")
