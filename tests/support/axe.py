"""axe-core's judgement of a page: what keeps somebody out who cannot see it, hear it or use a mouse."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from playwright.sync_api import Page


@cache
def _script() -> str:
    return files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8")


def axe_findings(page: Page) -> list[str]:
    """Every rule of axe-core that the page breaks, best practices too, with the elements; empty if it is clean."""
    page.evaluate(_script())
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then(result => result.violations)")
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: "
        + "; ".join(f"{node['html'][:150]} {node.get('failureSummary', '')[:300]}" for node in rule["nodes"][:5])
        for rule in found
    ]
