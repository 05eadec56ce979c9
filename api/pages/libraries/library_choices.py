"""What the forms of libraries offer to choose from."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import available_timezones

from api.pages.frame.offers import IMAGE_TASKS, models_of

TASK_NAMES = {"caption": "a caption", "tag": "tags", "classify": "ImageNet classes"}
_NO_ZONES = ("Etc/", "posix", "right/", "SystemV/")


@dataclass(frozen=True, slots=True)
class Choices:
    """For the form.

    Attributes:
        tasks: name and words of each.
        models: by task, those that are installed.
        zones: names of time zones, as suggestions.
    """

    tasks: list[tuple[str, str]]
    models: dict[str, list[str]]
    zones: list[str]


def form_choices() -> Choices:
    """What there is now."""
    zones = sorted(name for name in available_timezones() if "/" in name and not name.startswith(_NO_ZONES))
    return Choices([(task, TASK_NAMES[task]) for task in IMAGE_TASKS], models_of(IMAGE_TASKS), zones)
