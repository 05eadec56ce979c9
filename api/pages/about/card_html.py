"""A model's card as HTML: Markdown of whoever made the model, shown so that it can do nothing but be read.

HTML in it is shown as text. Links lead only to web pages; pictures, which a browser would fetch from elsewhere, become
their description. https://spec.commonmark.org/ and tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markupsafe import Markup

MOST_CHARACTERS = 200_000
_LOWEST = 6


@lru_cache(maxsize=64)
def card_html(text: str) -> Markup:
    """HTML of a card, without its first heading, which names the model as the page does; headings begin at the second
    level."""
    parser = _parser()
    tokens = parser.parse(text[:MOST_CHARACTERS])
    if [token.type for token in tokens[:3]] == ["heading_open", "inline", "heading_close"] and tokens[0].tag == "h1":
        del tokens[:3]
    return Markup(parser.renderer.render(tokens, parser.options, {}))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable("table")
    for name, rule in {
        "heading_open": _heading, "heading_close": _heading, "image": _picture, "link_open": _link,
        "link_close": _link_end, "table_open": _table, "table_close": _table_end, "th_open": _head_cell,
        "th_close": _head_cell,
    }.items():  # fmt: skip
        parser.add_render_rule(name, rule)
    return parser


def _heading(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    level = min(_LOWEST, int(tokens[at].tag[1:]) + (tokens[at].tag == "h1"))
    return f"<h{level}>" if tokens[at].nesting > 0 else f"</h{level}>\n"


def _picture(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return f"<em>({escapeHtml(tokens[at].content or 'picture')})</em>"


def _link(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    target = str(tokens[at].attrGet("href") or "")
    if not target.lower().startswith(("http://", "https://")):  # a path of the repository leads nowhere here
        return "<span>"
    return f'<a href="{escapeHtml(target)}" rel="noopener noreferrer nofollow">'


def _link_end(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    level = tokens[at].level
    opened = next(token for token in reversed(tokens[:at]) if token.type == "link_open" and token.level == level)
    target = str(opened.attrGet("href") or "")
    return "</a>" if target.lower().startswith(("http://", "https://")) else "</span>"


def _table(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    """Who has no mouse must be able to scroll it, and is told which one it is."""
    number = sum(token.type == "table_open" for token in tokens[: at + 1])
    return f'<div class="scroll" tabindex="0" role="region" aria-label="Table {number}"><table>\n'


def _table_end(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return "</table></div>\n"


def _head_cell(renderer: RendererHTML, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    """Cards have tables without a head, which Markdown does not know: its cells are empty, and no headings."""
    content = tokens[at + 1] if tokens[at].nesting > 0 else tokens[at - 1]
    tag = "th" if content.content.strip() else "td"
    return f"<{tag}>" if tokens[at].nesting > 0 else f"</{tag}>\n"
