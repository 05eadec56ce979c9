"""Whether the processors of this machine stand idle, whoever else uses them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from time import monotonic

STAT = Path("/proc/stat")
IDLE, IOWAIT = 3, 4  # columns behind the name
TICKS = 100  # a second and processor: USER_HZ, which Linux never changed for programs


class IdleProcessors:
    """Tells how many processors stood idle since it was last asked."""

    def __init__(self, path: Path = STAT, clock: Callable[[], float] = monotonic) -> None:
        self._path = path
        self._clock = clock
        self._before = self._read()

    def count(self) -> float | None:
        """How many did on average; None where nobody says so."""
        now, before = self._read(), self._before
        self._before = now
        if now is None or before is None or now[1] <= before[1]:
            return None
        return (now[0] - before[0]) / TICKS / (now[1] - before[1])

    def _read(self) -> tuple[int, float] | None:
        """Ticks that all of them together were idle since the machine began, and the time now."""
        try:
            with self._path.open(encoding="ascii") as file:
                columns = [int(word) for word in file.readline().split()[1:]]
            return columns[IDLE] + columns[IOWAIT], self._clock()
        except (OSError, ValueError, IndexError):
            return None
