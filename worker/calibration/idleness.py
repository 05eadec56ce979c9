"""What the processors of this machine do, whoever uses them: whether they stand idle, and what others take of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, process_time

STAT = Path("/proc/stat")
IDLE, IOWAIT, STEAL = 3, 4, 7  # columns behind the name; those behind them are counted twice
TICKS = 100  # a second and processor: USER_HZ, which Linux never changed for programs


@dataclass(frozen=True, slots=True)
class _Moment:
    """What all processors together have done by then, in seconds."""

    at: float
    idle: float
    busy: float
    own: float  # of it for this process


class Processors:
    """Tells what the processors did since it was last asked; None where nobody says so."""

    def __init__(
        self, path: Path = STAT, clock: Callable[[], float] = monotonic, own: Callable[[], float] = process_time
    ) -> None:
        self._path = path
        self._clock = clock
        self._own = own
        self._before = self._read()

    def idle(self) -> float | None:
        """How many stood idle, on average."""
        return self._rate(lambda moment: moment.idle)

    def taken_by_others(self) -> float | None:
        """How many were taken by other processes, or by other guests of the same host, on average."""
        return self._rate(lambda moment: moment.busy - moment.own)

    def _rate(self, of: Callable[[_Moment], float]) -> float | None:
        now, before = self._read(), self._before
        self._before = now
        if now is None or before is None or now.at <= before.at:
            return None
        return (of(now) - of(before)) / (now.at - before.at)

    def _read(self) -> _Moment | None:
        try:
            with self._path.open(encoding="ascii") as file:
                columns = [int(word) for word in file.readline().split()[1:]][: STEAL + 1]
            idle = columns[IDLE] + columns[IOWAIT]
        except (OSError, ValueError, IndexError):
            return None
        return _Moment(self._clock(), idle / TICKS, (sum(columns) - idle) / TICKS, self._own())
