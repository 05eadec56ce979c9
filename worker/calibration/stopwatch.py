"""How long measuring may take in all, and when it has to stop at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from worker.calibration.search import OutOfTime

BUDGET_S = 4.0  # what has begun by then ends before five seconds are over


class Interrupted(Exception):
    """There is real work to do, or the worker stops."""


class Stopwatch:
    """Adds up the time that is spent measuring, in one process.

    Args:
        idle: whether there is still nothing else to do.
        budget_s: seconds in all.
    """

    def __init__(
        self, idle: Callable[[], bool], budget_s: float = BUDGET_S, clock: Callable[[], float] = monotonic
    ) -> None:
        self._idle = idle
        self._budget_s = budget_s
        self._clock = clock
        self._spent = 0.0
        self._since: float | None = None

    @property
    def spent(self) -> float:
        """Seconds till now."""
        return self._spent + (0.0 if self._since is None else self._clock() - self._since)

    @property
    def left(self) -> float:
        """Seconds that may still be spent; less than 0 where more were."""
        return self._budget_s - self.spent

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time a block."""
        self._since = self._clock()
        try:
            yield
        finally:
            self._spent, self._since = self.spent, None

    def check(self, needed_s: float = 0.0) -> None:
        """Go on only if the next step may be taken.

        Args:
            needed_s: how long it is going to take, as far as one knows.

        Raises:
            Interrupted: there is something else to do.
            OutOfTime: the step would take longer than is left.
        """
        if not self._idle():
            raise Interrupted
        if self.left <= needed_s:
            raise OutOfTime
