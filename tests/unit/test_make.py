"""What the Makefile installs, for which target and on which Python. Nothing is installed here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
# `python3.14`, whatever Python this is; it makes no virtual environment.
OTHER_PYTHON = """#!{python}
import sys
sys.version_info = ({version})
if sys.argv[1] != "-c":
    sys.exit("asked for a virtual environment")
exec(sys.argv[2])
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What make reads in a fresh clone."""
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make as a person would, though we may be running under it."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *arguments], cwd=folder, env=plain, capture_output=True, text=True, timeout=180)


def python_of_version(folder: Path, version: str) -> str:
    """A Python that says it is of that version."""
    path = folder / f"python{version}"
    path.write_text(OTHER_PYTHON.format(python=sys.executable, version=version.replace(".", ", ") + ", 0"))
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(
    ("target", "needs"),
    [
        *((target, "service") for target in ("up", "bench-gpu")),
        ("demo", "demo"),
        *((target, "training") for target in ("train-small", "evaluate")),
        *((target, "dev") for target in ("env", "lint", "check", "test", "screenshots", "bench")),
    ],
)
def test_a_target_installs_what_it_needs_and_no_more(checkout: Path, target: str, needs: str) -> None:
    done = make(checkout, "--dry-run", target)
    assert done.returncode == 0, done.stderr
    assert set(re.findall(r"-r requirements/(\w+)\.txt", done.stdout)) == {"tools", needs}
    installs = [line for line in done.stdout.splitlines() if "pip install" in line and "-e ." not in line]
    assert installs
    assert all("--require-hashes" in line for line in installs)


def test_what_is_installed_is_not_installed_again(checkout: Path) -> None:
    (checkout / ".venv").mkdir()
    for stamp in (".tools", ".installed-demo"):
        (checkout / ".venv" / stamp).touch()
    assert make(checkout, "--dry-run", "demo").stdout.split() == [".venv/bin/tagline", "demo"]


@pytest.mark.parametrize(
    ("target", "version", "taken"),
    [
        ("demo", "3.10", "3.11 3.12 3.13 3.14"),
        ("up", "3.15", "3.11 3.12 3.13 3.14"),
        ("train-small", "3.14", "3.11 3.12 3.13"),
        ("test", "3.14", "3.11 3.12 3.13"),
    ],
)
def test_another_python_is_refused_in_one_line_before_anything_is_made(
    checkout: Path, target: str, version: str, taken: str
) -> None:
    done = make(checkout, target, f"PYTHON={python_of_version(checkout, version)}")
    assert done.returncode == 2
    said, _ = done.stderr.splitlines()  # the other is make's own
    assert f"takes Python {taken}, not {version}." in said
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(("target", "version"), [("demo", "3.14"), ("up", "3.11"), ("train-small", "3.13")])
def test_a_python_that_is_taken_goes_on_to_its_virtual_environment(checkout: Path, target: str, version: str) -> None:
    done = make(checkout, target, f"PYTHON={python_of_version(checkout, version)}")
    assert done.stderr.startswith("asked for a virtual environment")


def test_an_environment_that_runs_it_but_cannot_train_says_so(checkout: Path) -> None:
    """`make demo` made .venv with 3.14; then somebody wants to train."""
    (checkout / ".venv" / "bin").mkdir(parents=True)
    python_of_version(checkout, "3.14")
    (checkout / "python3.14").rename(checkout / ".venv" / "bin" / "python")
    (checkout / ".venv" / ".tools").touch()
    done = make(checkout, "train-small")
    assert done.returncode == 2
    assert "Training and testing takes Python 3.11 3.12 3.13, not 3.14. Remove .venv" in done.stderr
