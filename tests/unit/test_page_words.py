"""Codes, numbers and times in words: breaks if a code has no words, or a sentence does not fit its number."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

from api.pages.frame.failure_words import FAILURES
from api.pages.frame.words import advice, counted, duration, failure, named, percent, size

ROOT = Path(__file__).resolve().parents[2]


def test_every_code_of_an_item_has_words() -> None:
    table = (ROOT / "docs" / "errors.md").read_text().split("# Item error codes")[1].split("\n# ")[0]
    codes = {code for line in re.findall(r"^\| (`.*?) \|", table, re.M) for code in re.findall(r"`([a-z0-9_]+)`", line)}
    plain = {code for code in codes if not code.startswith("fetch_http_")}
    assert plain == set(FAILURES)


def test_sentences_fit_their_number() -> None:
    assert failure("fetch_http_404", 3) == "3 photos could not be fetched: the server said 404 (Not Found)"
    assert failure("image_empty") == "1 photo has no bytes"
    assert failure("image_empty", 2) == "2 photos have no bytes"
    assert failure("text_empty", 1, "text") == "1 text has no words"
    assert failure("of_a_plug_in", 2) == "2 photos could not be done"
    assert failure("fetch_http_599") == "1 photo could not be fetched: the server said 599"
    assert advice("fetch_http_503") == "Try again later."


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (counted(1, "library"), "1 library"), (counted(12345, "library"), "12,345 libraries"),
        (percent(0.6664, 1), "66.6 %"), (percent(0.99999), "99 %"), (percent(0.0001, 1), "< 0.1 %"),
        (percent(0.0), "0 %"), (percent(1.0), "100 %"), (percent(None), ""),
        (size(512), "512 bytes"), (size(1500), "1.5 kB"), (size(3.2e9), "3.2 GB"), (size(999_600), "1.0 MB"),
        (duration(8), "8 seconds"), (duration(130 * 60), "2 h 10 min"), (duration(86400 * 3), "3 days"),
    ],
)  # fmt: skip
def test_numbers(shown: str, expected: str) -> None:
    assert shown == expected


def test_vendored_files_are_those_of_the_lock() -> None:
    lock = json.loads((ROOT / "requirements" / "vendored.json").read_text())
    folder = ROOT / "api" / "pages" / "static" / "vendor"
    locked = {name: digest for package in lock.values() for name, digest in package["files"].items()}
    found = {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*") if path.is_file()
    }  # fmt: skip
    assert found == locked


@pytest.mark.parametrize(
    "name", ["", " ", "\u00a0", "\u200b\u2060", "\u202e" * 3000, "\ufeff", "\ufe0f", "\u3164", "\u2800", "\u2028\t"]
)
def test_names_that_show_nothing_are_replaced(name: str) -> None:
    """Breaks if a link or a heading has no letter that anybody can see."""
    assert named(name, "Photo 1") == "Photo 1"


@pytest.mark.parametrize("name", ["0", "a\u202e", "\u0645\u0631\u062d\u0628\u0627", "\U0001f408", "-", "e\u0301"])
def test_names_that_show_something_stay(name: str) -> None:
    assert named(name, "Photo 1") == name
