"""Templates and stylesheet know the same classes: one that was renamed in the stylesheet alone leaves a page unstyled,
which no other test of the pages sees."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = Path(__file__).resolve().parents[2] / "api" / "pages"
SET_BY_HTMX = {"htmx-request"}
MADE = {"of-photo", "of-photos", "of-text", "of-texts"}  # of-{{ job.noun }}


def styled(*names: str) -> set[str]:
    """The classes that stylesheets have rules for."""
    text = "".join((PAGES / "static" / name).read_text() for name in names)
    selectors = re.findall(r"([^{}]+)\{", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    return {name for selector in selectors for name in re.findall(r"\.([a-z][\w-]*)", selector)}


def named() -> set[str]:
    """The classes that templates name outright; those that are put together are in `MADE`."""
    found: set[str] = set()
    for template in (PAGES / "templates").rglob("*.html"):
        for value in re.findall(r'\bclass="([^"]*)"', template.read_text()):
            plain = re.sub(r"\S*\{\{.*?\}\}\S*|\{%.*?%\}", " ", value)
            found.update(re.findall(r"(?<![\w-])[a-z][\w-]*", plain))
    return found


def test_every_class_of_a_template_has_a_rule() -> None:
    assert named() - styled("style.css", "docs.css") == set()


def test_every_rule_is_for_a_class_that_something_names() -> None:
    """States of jobs, runs and webhooks stand in Python, so that a word anywhere in the pages counts."""
    sources = [path for suffix in ("*.html", "*.py") for path in PAGES.rglob(suffix)]
    words = set(re.findall(r"[a-z][\w-]*", "".join(path.read_text() for path in sources)))
    assert styled("style.css") - words - MADE - SET_BY_HTMX == set()
