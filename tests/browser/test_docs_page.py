"""The API's documentation in a browser: all of it, in its own policy, from nobody else."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.support.site import Site
from tests.support.tabs import SCHEMES, WIDTHS, Tabs, shoot
from tests.support.up_fixtures import KEY


def test_every_operation_is_shown(site: Site, visitor: Tabs) -> None:
    """Fails if an operation is missing, or if the page wants anything that its policy forbids (a tab complains)."""
    page = visitor.open("/docs")
    page.locator(".opblock-summary-path").first.wait_for()
    shown = page.evaluate("[...document.querySelectorAll('.opblock-summary-path')].map(one => one.dataset.path)")
    document = page.request.get("/openapi.json").json()
    assert sorted(shown) == sorted(path for path, found in document["paths"].items() for _ in found)


def test_a_word_can_be_asked_about_there(site: Site, visitor: Tabs) -> None:
    """The whole way of /v1/predict, tried as the page offers it: fails if the policy forbids the request, too."""
    page = visitor.open("/docs")
    page.locator(".btn.authorize").click()
    page.locator(".auth-container input").fill(KEY)
    page.locator(".auth-btn-wrapper .authorize").click()
    page.locator(".auth-btn-wrapper .btn-done").click()
    predict = page.locator("#operations-predict-predict_ask")
    predict.locator(".opblock-summary-control").click()
    predict.get_by_role("button", name="Try it out").click()
    predict.locator("tr[data-param-name=task] select").select_option("language")
    for name, value in (("text", "orignal"), ("model", "language-rnn")):
        predict.locator(f"input[placeholder={name}]").fill(value)
    predict.get_by_role("button", name="Execute").click()
    answer = predict.locator(".live-responses-table")
    answer.get_by_text("succeeded").wait_for()
    assert answer.locator(".response-col_status").last.inner_text().startswith("200")
    expect(answer).to_contain_text("language-rnn@")


def test_pictures(visitor: Tabs) -> None:
    for scheme in SCHEMES:
        for width in WIDTHS:
            page = visitor.open("/docs", width=width, scheme=scheme)
            page.locator(".opblock-summary-path").first.wait_for()
            shoot(page, "docs")
