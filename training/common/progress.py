"""A progress bar on standard error: one line that is written over on a terminal, one line an epoch elsewhere."""

from __future__ import annotations

import sys
from time import monotonic
from types import TracebackType
from typing import Self

WIDTH = 30
EVERY_S = 0.2


class Progress:
    """A bar for a known number of steps; as a context manager it ends its line."""

    def __init__(self, title: str, steps: int) -> None:
        self._title, self._steps, self._done = title, max(steps, 1), 0
        self._started = self._shown = monotonic()
        self._live = sys.stderr.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            print(file=sys.stderr)

    def step(self, text: str) -> None:
        """Count one step as done; `text` stands beside the bar."""
        self._done += 1
        now = monotonic()
        if self._live and now - self._shown > EVERY_S:
            self._shown = now
            share = min(self._done / self._steps, 1.0)
            bar = "#" * int(WIDTH * share)
            left = (now - self._started) * (1 - share) / share
            print(f"\r{self._title} [{bar:{WIDTH}}] {text}, {left:.0f} s left ", end="", file=sys.stderr)

    def note(self, text: str) -> None:
        """End the line with this text."""
        start, end = ("\r", "") if self._live else ("", "\n")
        print(f"{start}{self._title}  {text}", end=end, file=sys.stderr, flush=True)
