"""What forms offer to choose from: tasks, and the models that do them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from api.services import services
from core.tasks import TASKS

IMAGE_TASKS: Final = tuple(name for name, spec in TASKS.items() if spec.medium == "image")
TEXT_TASKS: Final = tuple(name for name, spec in TASKS.items() if spec.medium == "text")


def models_of(tasks: Iterable[str]) -> dict[str, list[str]]:
    """NAME@VERSION of the installed models of each task."""
    found: dict[str, list[str]] = {task: [] for task in tasks}
    for entry in services().catalogue.entries():
        if entry.manifest is not None and entry.manifest.task in found:
            found[entry.manifest.task].append(entry.manifest.id)
    return found
