"""A library's nights as a small chart: numbers for an SVG whose places are attributes, and for the table beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from api.pages.libraries.library_words import worked_on

HEIGHT, STEP = 60, 12  # as wide as a bar (9, in the template) and the space behind it


@dataclass(frozen=True, slots=True)
class Night:
    """A run as a bar: two rectangles, what succeeded above the ground and what failed on top of it."""

    run: Mapping[str, Any]
    x: int
    done: int
    failed: int
    done_height: float
    failed_height: float

    @property
    def done_y(self) -> float:
        return round(HEIGHT - self.done_height, 2)

    @property
    def failed_y(self) -> float:
        return round(HEIGHT - self.done_height - self.failed_height, 2)


@dataclass(frozen=True, slots=True)
class Chart:
    nights: list[Night]
    width: int
    height: int = HEIGHT


def nights_chart(runs: Sequence[Mapping[str, Any]], most: int) -> Chart:
    """The chart of some runs, the oldest first; a run that did nothing has a line on the ground."""
    worked = [(worked_on(run["counts"]), int(run["counts"]["failed"])) for run in runs]
    highest = max([1, *(max(count, failed) for count, failed in worked)])
    nights = []
    for place, (run, (count, failed)) in enumerate(zip(runs, worked, strict=True)):
        done = max(count - failed, 0)
        heights = [round(part * (HEIGHT - 1) / highest, 2) for part in (done, failed)]
        nights.append(Night(run, place * STEP, done, failed, max(heights[0], 1.0), heights[1]))
    return Chart(nights, most * STEP)
