"""`.env.example` lists every setting as core/settings.py has it, and the environment is read there alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from core.settings import MODELS_DIR, ClientSettings, Settings, load_client_settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
OURS = ("api", "cli", "core", "db", "training", "worker")


def _documented() -> dict[str, tuple[str, str]]:
    """Description and default by name, as .env.example has them."""
    text = (ROOT / ".env.example").read_text()
    entry = re.compile(r"^# (?P<text>.+)\n#TAGLINE_(?P<name>[A-Z0-9_]+)=(?P<value>.*)$", re.MULTILINE)
    return {match["name"].lower(): (match["text"], match["value"]) for match in entry.finditer(text)}


def _expected() -> dict[str, tuple[str, str]]:
    fields = {**ClientSettings.model_fields, **Settings.model_fields}
    found = {}
    for name, field in fields.items():
        value = field.default
        if value == MODELS_DIR:
            value = "models"
        found[name] = (field.description or "", ",".join(value) if isinstance(value, tuple) else str(value))
    return found


def test_the_example_lists_every_setting_with_its_default_and_description() -> None:
    assert _documented() == _expected()


def test_every_line_of_the_example_is_a_comment() -> None:
    assert all(not line or line.startswith("#") for line in (ROOT / ".env.example").read_text().splitlines())


def test_a_secret_may_lie_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "key"
    path.write_text("from-the-file\n")
    monkeypatch.setenv("TAGLINE_API_KEY_FILE", str(path))
    assert load_settings().api_key == "from-the-file"
    assert load_client_settings().api_key == "from-the-file"
    path.unlink()
    with pytest.raises(ValueError, match="TAGLINE_API_KEY_FILE"):
        load_settings()


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAGLINE_ALLOW_HOSTS", "127.0.0.1:80, [::1]:81,")
    assert load_settings().allow_hosts == ("127.0.0.1:80", "[::1]:81")


def test_nobody_else_reads_the_environment() -> None:
    reading = re.compile(r"os\.getenv|os\.environ\.get|os\.environ\[|environ\.setdefault")
    guilty = [
        str(path.relative_to(ROOT))
        for package in OURS
        for path in (ROOT / package).rglob("*.py")
        if reading.search(path.read_text()) and path != ROOT / "core" / "settings.py"
    ]
    assert guilty == []
