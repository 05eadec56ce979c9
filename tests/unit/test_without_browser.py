"""The tests of the pages where there is no browser: left out loudly by a person, never by continuous integration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_without_chromium(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name not in ("CHROMIUM", "BROWSER_TESTS")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:xdist",
        "-p",
        "no:cacheprovider",
        "tests/browser/test_harness.py",
    ]
    return subprocess.run(
        command, cwd=ROOT, env={**plain, "PATH": str(folder), **env}, capture_output=True, text=True, timeout=300
    )


def test_a_person_is_told_in_the_last_line(tmp_path: Path) -> None:
    done = run_without_chromium(tmp_path)
    assert done.returncode == 0, done.stdout
    last = done.stdout.strip().splitlines()[-1]
    assert "NOT TESTED: the pages in a browser" in last
    assert "apt install chromium" in last


def test_continuous_integration_fails(tmp_path: Path) -> None:
    done = run_without_chromium(tmp_path, BROWSER_TESTS="required")
    assert done.returncode == 1, done.stdout
    assert "There is no Chromium, and BROWSER_TESTS=required" in done.stdout
