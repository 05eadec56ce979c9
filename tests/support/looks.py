"""A page looked at in both themes and widths: pictures of it, and what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.axe import axe_findings
from tests.support.tabs import SCHEMES, WIDTHS, look, shoot, wider_than_the_screen

if TYPE_CHECKING:  # as in tests.support.tabs
    from playwright.sync_api import Page


def problems_of(page: Page, name: str) -> list[str]:
    """What is wider than the screen, and what axe-core finds; a picture of each way of looking lies in build/pages."""
    problems = []
    for at, width in enumerate(WIDTHS):
        for scheme in SCHEMES:
            look(page, width, scheme)
            shoot(page, name)
            problems += [f"{width}: too wide: {one}" for one in wider_than_the_screen(page)]
        # axe takes as long as all the rest: once for each width, each time in the other theme
        look(page, width, SCHEMES[at % 2])
        problems += [f"{width} {SCHEMES[at % 2]}: {one}" for one in axe_findings(page)]
    return problems
