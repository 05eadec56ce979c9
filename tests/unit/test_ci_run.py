"""What continuous integration does about a browser: takes the one there is, else installs one, never skips."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ("bash", "env", "id", "dirname", "chmod")


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A PATH with `make`, `apt-get` and `sudo` that say what they are asked for, and nothing else that matters."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).symlink_to(str(shutil.which(name)))
    program(folder, "make", 'echo "make $* with browser tests $BROWSER_TESTS"; exit 7')
    program(folder, "apt-get", 'echo "apt-get $*"')
    program(folder, "sudo", '[ "$1" = -n ] && shift; exec "$@"')
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    return folder


def run(machine: Path, **env: str) -> subprocess.CompletedProcess[str]:
    plain = {name: value for name, value in os.environ.items() if name not in ("CHROMIUM", "BROWSER_TESTS")}
    command = [str(machine.parent / ".ci" / "run")]
    return subprocess.run(
        command, env={**plain, "PATH": str(machine), **env}, capture_output=True, text=True, timeout=180
    )


def test_a_browser_that_is_there_is_taken_and_nothing_installed(machine: Path) -> None:
    program(machine, "google-chrome", "")
    done = run(machine)
    assert done.stdout == "make test with browser tests required\n"
    assert done.returncode == 7


def test_where_there_is_none_it_is_installed_first(machine: Path) -> None:
    done = run(machine)
    said = done.stdout.splitlines()[1:]
    assert said == [
        "apt-get update -q",
        "apt-get install -q -y --no-install-recommends chromium",
        "make test with browser tests required",
    ]


@pytest.mark.parametrize("missing", ["apt-get", "sudo"])
def test_where_it_cannot_be_installed_that_is_said_and_the_tests_run_and_may_not_be_skipped(
    machine: Path, missing: str
) -> None:
    program(machine, missing, "exit 1")
    if missing == "sudo":
        (machine / "id").unlink()
        program(machine, "id", "echo 1000")
    done = run(machine)
    assert "CHROMIUM=/path/to/it" in done.stderr
    assert done.stdout.endswith("make test with browser tests required\n")
    assert done.returncode == 7
