"""Cards of models as HTML: what a stranger's Markdown may become, and what not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from api.pages.about.card_html import card_html

MODELS = Path(__file__).resolve().parents[2] / "models"
BLOCKS = {"p", "h2", "h3", "h4", "h5", "h6", "pre", "div", "ul", "ol", "li", "hr", "blockquote"}
ALLOWED = BLOCKS | {"em", "strong", "code", "table", "thead", "tbody", "tr", "th", "td", "a", "span", "br"}


def tags(html: str) -> set[str]:
    return set(re.findall(r"<\s*/?\s*([^\s>/]+)", html))


@pytest.mark.parametrize("folder", sorted(path.parent.name for path in MODELS.glob("*/README.md")))
def test_our_cards_are_whole(folder: str) -> None:
    text = (MODELS / folder / "README.md").read_text()
    html = card_html(text)
    assert tags(html) <= ALLOWED
    assert "<table>" in html
    assert html.count("<h2>") == len(re.findall(r"^## ", text, re.MULTILINE))
    assert "<th></th>" not in html, "an empty heading of a table says nothing to who hears it"
    assert html.count("<div") == html.count("</div>")


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>", "a <img src=x onerror=alert(1)> b", "<b onmouseover=x>", "<!-- x -->",
        "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](data:text/html,<script>)", "<javascript:x>",
        "![x](http://evil.example/pixel.png)", '![a"><script>](http://evil.example/x)', "![x][1]\n\n[1]: http://e.example/",
        '[x](http://e.example/"onmouseover="alert(1))', "[x](http://e.example 'a\" onclick=\"b')", "&lt;script&gt;",
        "```html\n<script>\n```", "`<script>`", "| <script> |\n|---|\n| <img src=x> |", "# <script>",
        "http://evil.example/<script>",
        "[![x](http://e.example/i)](http://e.example/)", "[a [b](http://x.example/) c](y)",
    ],
)  # fmt: skip
def test_nothing_in_a_card_runs_or_loads(text: str) -> None:
    """Fails if HTML goes through, a link leads anywhere but to a web page, or a picture is fetched."""
    html = card_html(text)
    assert tags(html) <= ALLOWED, html
    for attributes in re.findall(r"<[a-z0-9]+\s([^>]*)>", html):
        names = re.findall(r'([\w-]+)="[^"]*"', attributes)
        assert set(names) <= {"href", "rel", "class", "start", "tabindex", "role", "aria-label"}, html
        for target in re.findall(r'href="([^"]*)"', attributes):
            assert target.startswith("http"), html


def test_links_to_the_web_stay_and_those_into_the_repository_are_text() -> None:
    html = card_html("See [the paper](https://arxiv.org/abs/1), [ours](notes/x.md) and <https://a.example/>.")
    assert html == (
        '<p>See <a href="https://arxiv.org/abs/1" rel="noopener noreferrer nofollow">the paper</a>, <span>ours</span> '
        'and <a href="https://a.example/" rel="noopener noreferrer nofollow">https://a.example/</a>.</p>\n'
    )


def test_a_card_that_is_far_too_long_is_cut() -> None:
    assert len(card_html("word " * 100_000)) < 250_000
