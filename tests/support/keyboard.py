"""Going through a page by the key Tab alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

# What somebody with a mouse can use. Of radio buttons of one name, Tab reaches one and the arrows reach the others.
_NUMBER = """() => {
  const wanted = [...document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']")]
    .filter(one => one.checkVisibility() && !one.disabled);
  const names = new Set();
  return wanted.filter(one => one.type !== "radio" || !names.has(one.name) && names.add(one.name))
    .map((one, at) => { one.dataset.tab = one.type === "radio" ? "radio-" + one.name : "tab-" + at;
      for (const other of one.type === "radio" ? document.getElementsByName(one.name) : [])
        other.dataset.tab = one.dataset.tab;
      return [one.dataset.tab, one.outerHTML.slice(0, 150)]; });
}"""
_FOCUSED = """() => { const one = document.activeElement, style = getComputedStyle(one);
  if (one === document.body) return "";
  one.dataset.seen = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0 ? "yes" : "no";
  return one.dataset.tab || ""; }"""


def out_of_reach(page: Page) -> list[str]:
    """What can be used with a mouse, and is not reached by going through the page with Tab once."""
    wanted = dict(page.evaluate(_NUMBER))
    page.evaluate("document.activeElement.blur()")
    reached = set()
    for _ in range(len(wanted) + 5):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(_FOCUSED))
        if wanted.keys() <= reached:
            break
    return [html for name, html in wanted.items() if name not in reached]


def without_outline(page: Page) -> list[str]:
    """What was in focus on the way through `out_of_reach`, and did not show it."""
    return list(page.locator("[data-seen=no]").evaluate_all("all => all.map(one => one.outerHTML.slice(0, 150))"))
