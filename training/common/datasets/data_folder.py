"""Where in a data folder a task finds its data; what lies there is in training/README.md."""

from __future__ import annotations

from pathlib import Path

TEXT_TASKS = ("sentiment", "language", "spam")


def data_of(task: str, data: Path) -> Path:
    """The folder with a task's data: texts may have a folder text/ to themselves."""
    own = data / "text"
    return own if task in TEXT_TASKS and own.is_dir() else data
