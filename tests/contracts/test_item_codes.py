"""Every code an item can fail with is documented."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RAISED = re.compile(r"""ItemError\(\s*f?"([a-z0-9_]+?)(?:_\{\w+\})?",""")


def test_every_item_code_is_in_the_list() -> None:
    raised = {
        code
        for folder in ("core", "db", "worker")
        for path in (ROOT / folder).rglob("*.py")
        for code in RAISED.findall(path.read_text())
    }
    documented = set(re.findall(r"`([a-z0-9_]+)`", (ROOT / "docs" / "errors.md").read_text()))
    assert "fetch_http" in raised
    assert "image_truncated" in raised
    assert raised - documented == {"fetch_http"}  # listed with its status, as fetch_http_404
    assert "fetch_http_404" in documented
