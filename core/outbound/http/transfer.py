"""A hop under way, and the pauses that it makes for want of memory."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pycurl

from core.outbound.http.exchange import Exchange
from core.outbound.http.handle import Handle

_LEAST_ALARM_S = 0.05


@dataclass(slots=True, eq=False)
class Transfer:
    """A hop under way.

    Attributes:
        silent: and so taken out of the count.
        paused_at, paused_s: when it paused for want of memory, and for how long before that.
        alarmed: an alarm measures its time, no longer libcurl.
    """

    handle: Handle
    exchange: Exchange
    place: tuple[str, int]
    started_at: float
    serial: int
    silent: bool = False
    paused_at: float | None = None
    paused_s: float = 0.0
    alarmed: bool = False

    def took_s(self, now: float) -> float:
        """Seconds of its own time, without pauses."""
        until = now if self.paused_at is None else self.paused_at
        return until - self.started_at - self.paused_s


class Pauses:
    """Pauses and resumes transfers. The pauses are ours, so a transfer's time does not run meanwhile; libcurl cannot
    stop its clock, so from the first pause on an alarm measures it.

    Args:
        active: the transfers under way, by curl handle.
        soon: has something called in the loop's thread; may be called from any thread.
        set_alarm: has something called with a transfer at a moment, if it is still under way.
        finish: ends a transfer with libcurl's code and reason.

    Attributes:
        count: transfers that pause now.
    """

    def __init__(
        self,
        active: dict[Any, Transfer],
        soon: Callable[[Callable[[], object]], object],
        set_alarm: Callable[[float, Transfer, Callable[[Transfer], None]], None],
        finish: Callable[[Transfer, int, str], None],
    ) -> None:
        self._active = active
        self._soon = soon
        self._set_alarm = set_alarm
        self._finish = finish
        self._fresh: list[Transfer] = []
        self.count = 0

    def begin(self, handle: Handle) -> None:
        """A hop pauses; libcurl calls this, so nothing may be asked of it now."""
        transfer = self._active[handle.curl]
        transfer.paused_at = time.monotonic()
        self.count += 1
        self._fresh.append(transfer)

    def stop_clocks(self) -> None:
        """Do what had to wait until libcurl was done calling."""
        fresh, self._fresh = self._fresh, []
        for transfer in fresh:
            if self._active.get(transfer.handle.curl) is transfer and not transfer.alarmed:
                transfer.handle.lift_time_limit()
                transfer.alarmed = True
                self._arm(transfer)

    def forget(self, transfer: Transfer) -> None:
        """A transfer has ended."""
        self.count -= transfer.paused_at is not None

    def end_soon(self, handle: Handle) -> None:
        """There is room: have the hop resumed. May be called from any thread."""
        self._soon(lambda: self._end(handle))

    def _end(self, handle: Handle) -> None:
        transfer = self._active.get(handle.curl)
        if transfer is None or transfer.paused_at is None:  # it has ended meanwhile
            return
        transfer.paused_s += time.monotonic() - transfer.paused_at
        transfer.paused_at = None
        self.count -= 1
        try:
            handle.go_on()
        except pycurl.error as error:
            self._finish(transfer, *error.args)

    def _arm(self, transfer: Transfer) -> None:
        now = time.monotonic()
        left_s = transfer.exchange.left_s - transfer.took_s(now)
        self._set_alarm(now + max(_LEAST_ALARM_S, left_s), transfer, self._look_at_time)

    def _look_at_time(self, transfer: Transfer) -> None:
        if transfer.paused_at is None and transfer.took_s(time.monotonic()) >= transfer.exchange.left_s:
            self._finish(transfer, pycurl.E_OPERATION_TIMEDOUT, "")
        else:
            self._arm(transfer)
