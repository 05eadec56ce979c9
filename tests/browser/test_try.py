"""Try in a browser: photos that are dropped fill up as results come, and texts are answered while one types."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.site import Site
from tests.support.tabs import Tabs, shifts, transferred

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
PHOTOS = ("cat", "coffee", "flower")
STEADY = 0.01  # of layout shift; a page that jumps about has .1 and more


@pytest.mark.parametrize("width", [360, 1440])
def test_photos_fill_their_places_and_nothing_moves(tabs: Tabs, site: Site, width: int) -> None:
    page = tabs.open("/", width=width)
    assert not page.locator("[data-testid=result]").count()
    page.get_by_test_id("photo-drop").set_input_files([SAMPLES / f"{name}.jpg" for name in PHOTOS])
    page.get_by_test_id("urls").fill(f"{site.web}/rocket.jpg\n\n{site.web}/missing.jpg\n")
    page.get_by_test_id("submit").click()
    cards = page.get_by_test_id("result")
    cards.nth(4).wait_for()
    expect(cards).to_have_count(5)
    page.get_by_text("5 of 5 photos done, 1 failed").wait_for()
    expect(page.get_by_test_id("caption")).to_have_count(4)
    for card in cards.all()[:4]:
        expect(card.get_by_test_id("bar")).to_have_count(20)
        card.locator("img").evaluate("image => image.decode()")  # fails if it is no picture
        assert card.locator("img").get_attribute("loading") is None
    expect(cards.nth(4)).to_contain_text("the server said 404 (Not Found)")
    expect(cards.nth(0).get_by_test_id("bar").first).to_contain_text("cat")
    assert shifts(page) < STEADY
    # what it shows can be come back to, and is the same there
    page.reload()
    expect(page.get_by_test_id("caption")).to_have_count(4)
    assert page.url.endswith(page.locator("section[data-job]").get_attribute("data-job") or "nowhere")


def test_photos_may_be_dropped_anywhere(tabs: Tabs) -> None:
    page = tabs.open("/")
    dropped = page.evaluate_handle(
        """() => { const files = new DataTransfer();
        files.items.add(new File([new Uint8Array([1, 2, 3])], "a.txt")); return files; }"""
    )
    page.dispatch_event("h1", "dragover", {"dataTransfer": dropped})
    assert "over" in (page.get_by_test_id("photo-drop").get_attribute("class") or "")
    page.dispatch_event("h1", "drop", {"dataTransfer": dropped})
    assert page.get_by_test_id("photo-drop").evaluate("field => field.files[0].name") == "a.txt"
    assert "over" not in (page.get_by_test_id("photo-drop").get_attribute("class") or "")


def test_own_words_and_classes(tabs: Tabs) -> None:
    page = tabs.open("/")
    page.get_by_test_id("photo-drop").set_input_files(SAMPLES / "cat.jpg")
    page.get_by_label("a caption").uncheck()
    page.get_by_label("ImageNet classes").check()
    page.get_by_text("Labels and models").click()
    page.get_by_label("words of your own").check()
    page.get_by_label("Your words").fill("rocket, cat\nteapot")
    page.get_by_test_id("submit").click()
    result = page.get_by_test_id("result")
    result.get_by_test_id("bar").nth(2).wait_for()
    expect(result.get_by_test_id("bar")).to_have_count(3)
    expect(result.get_by_test_id("bar").first).to_contain_text("cat")
    expect(result.get_by_test_id("caption")).to_have_count(0)
    expect(result.get_by_test_id("classes").locator("li")).to_have_count(5)


def test_texts_are_answered_while_one_types(tabs: Tabs) -> None:
    page = tabs.open("/")
    form = page.get_by_test_id("text-language")
    form.get_by_label("by", exact=True).select_option("language-conv@1.1.0")
    form.get_by_label("Which language").press_sequentially("bonjour à tous", delay=20)
    form.get_by_test_id("bar").nth(2).wait_for()
    assert form.get_by_test_id("bar").first.inner_text().startswith("French")
    expect(form).to_contain_text("by language-conv@1.1.0")
    page.get_by_test_id("text-spam").get_by_label("spam").fill("Win a prize now, call 0800 123")
    page.get_by_test_id("text-spam").get_by_test_id("bar").nth(1).wait_for()
    assert shifts(page) < STEADY
    assert page.locator("#notice").inner_text() == ""


def test_without_javascript_forms_lead_to_their_results(tabs: Tabs) -> None:
    page = tabs.open("/", java_script_enabled=False)
    page.get_by_test_id("photo-drop").set_input_files(SAMPLES / "cat.jpg")
    page.get_by_test_id("submit").click()
    page.wait_for_url("**/try/*")
    for _ in range(50):
        if page.get_by_test_id("caption").count():
            break
        page.get_by_role("link", name="Look again").click()
    expect(page.get_by_test_id("bar")).to_have_count(20)
    page.goto("/")
    page.get_by_test_id("text-sentiment").get_by_label("good or bad").fill("A film I could watch again")
    page.keyboard.press("Enter")
    page.wait_for_url("**/try/*")


def test_what_is_wrong_is_said_and_nothing_that_was_filled_in_is_lost(tabs: Tabs) -> None:
    page = tabs.open("/")
    page.get_by_label("a caption").uncheck()
    page.get_by_label("tags", exact=True).uncheck()
    page.get_by_test_id("urls").fill("http://example.com/a.jpg")
    page.get_by_test_id("submit").click()
    page.get_by_text("Tick at least one").wait_for()
    assert page.get_by_test_id("urls").input_value() == "http://example.com/a.jpg"


def test_the_keyboard_is_enough(tabs: Tabs, site: Site) -> None:
    page = tabs.open("/")
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.testid") == "urls":
            break
    page.keyboard.type(f"{site.web}/cat.jpg")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.testid") == "submit":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    page.get_by_test_id("caption").wait_for()


def test_the_first_view_is_small(visitor: Tabs, tabs: Tabs) -> None:
    for page in (visitor.open("/login"), tabs.open("/")):
        found = transferred(page)
        assert any("style.css" in name for name in found)
        assert sum(found.values()) < 100_000, found
