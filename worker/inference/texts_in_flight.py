"""Texts that were sent to models together, and what is known of them so far: no future a text."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class RawTexts:
    """Raw results of a task for the texts at some places."""

    task: str
    places: list[int]
    raw: Any


@dataclass(frozen=True, slots=True)
class NewTexts:
    """What has become known.

    Attributes:
        raw: in the order in which it came.
        finished: places of texts of which nothing more is to come.
        errors: of those of them that failed; where several models fail on a text, that of the first task.
    """

    raw: list[RawTexts]
    finished: list[int]
    errors: dict[int, Exception]


class TextsInFlight:
    """Results of texts, as lanes bring them; safe to share between threads.

    Args:
        count: how many texts.
        refused: errors of those that are sent to no model, by their places.
        sent: the places of the others, each of which goes to the model of every task.
        tasks: what they go to.
        done: called whenever something is new, from any thread; it must be quick.
    """

    def __init__(
        self,
        count: int,
        refused: Mapping[int, Exception],
        sent: NDArray[np.int64],
        tasks: Sequence[str],
        done: Callable[[], None],
    ) -> None:
        self._lock = threading.Lock()
        self._sent = sent
        self._open = np.zeros(count, np.int64)  # tasks that have not said anything of a text yet
        self._open[sent] = len(tasks)
        self._told = np.zeros(count, bool)
        self._tasks = tasks
        self._done = done
        self._raw: list[RawTexts] = []
        self._errors = {place: (0, error) for place, error in refused.items()}  # with the number of the task
        self.cancelled = False

    def outcome(self, task: str) -> OfTask:
        """What the lane of a task is to tell."""
        return OfTask(self, task)

    def cancel(self) -> None:
        """Nobody wants them any more: what has not left a lane costs nothing."""
        self.cancelled = True

    def add(self, task: str, first: int, raw: Any) -> None:
        """Raw results of a task for neighbours among the texts that were sent, from the `first` of them on."""
        with self._lock:
            places = self._sent[first : first + len(raw)]
            self._raw.append(RawTexts(task, places.tolist(), raw))
            self._open[places] -= 1
        self._done()

    def fail(self, task: str, first: int, last: int, error: Exception) -> None:
        """A task has no results for some of the texts that were sent."""
        order = self._tasks.index(task)
        with self._lock:
            places = self._sent[first:last]
            for place in places.tolist():
                if order <= self._errors.get(place, (order, error))[0]:
                    self._errors[place] = (order, error)
            self._open[places] -= 1
        self._done()

    def new(self) -> NewTexts:
        """What has become known since this was last asked."""
        with self._lock:
            raw, self._raw = self._raw, []
            finished = np.flatnonzero((self._open == 0) & ~self._told)
            self._told[finished] = True
            places = finished.tolist()
            return NewTexts(raw, places, {place: self._errors[place][1] for place in places if place in self._errors})


@dataclass(frozen=True, slots=True)
class OfTask:
    """What a lane tells of texts, as the results of one task."""

    texts: TextsInFlight
    task: str

    def begin(self) -> bool:
        """See fair_queue.Outcome, also for the others."""
        return not self.texts.cancelled

    def done(self, first: int, results: Sequence[Any]) -> None:
        self.texts.add(self.task, first, results)

    def fail(self, first: int, last: int, error: Exception) -> None:
        self.texts.fail(self.task, first, last, error)
