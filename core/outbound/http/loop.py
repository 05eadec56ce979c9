"""The loop that drives all transfers: a curl multi, a selector, and the queue of those that wait."""

from __future__ import annotations

import heapq
import itertools
import logging
import selectors
import time
from typing import Any

import pycurl

from core.errors import ItemError
from core.outbound.http.admission import Admission, Place
from core.outbound.http.exchange import Exchange
from core.outbound.http.handle import Handle, Outcome

log = logging.getLogger(__name__)
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_INTEREST = {pycurl.POLL_IN: _READ, pycurl.POLL_OUT: _WRITE, pycurl.POLL_INOUT: _READ | _WRITE}
_READY = {
    _READ: pycurl.CSELECT_IN,
    _WRITE: pycurl.CSELECT_OUT,
    _READ | _WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}
_LONGEST_SLEEP_S = 60.0


class Loop:
    """Transfers of one thread; nothing here may be called from another.

    Args:
        wake_fd: a file descriptor that becomes readable when `turn` should come back early; the caller drains it.
        concurrency, per_host: transfers at a time, in all and to one host.
        connect_timeout_s: per hop.
    """

    def __init__(self, wake_fd: int, concurrency: int, per_host: int, connect_timeout_s: float) -> None:
        self._wake_fd = wake_fd
        self._connections = concurrency
        self._limits = (concurrency, per_host)
        self._connect_timeout_s = connect_timeout_s
        self._order = itertools.count()
        self._idle: list[Handle] = []
        self._open()

    def _open(self) -> None:
        self._active: dict[Any, tuple[Handle, Exchange, Place]] = {}
        self._later: list[tuple[float, int, Exchange]] = []
        self._admission: Admission[Exchange] = Admission(*self._limits)
        self._timer: float | None = None
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_fd, _READ)
        self._multi: Any = pycurl.CurlMulti()
        self._multi.setopt(pycurl.M_PIPELINING, 0)
        self._multi.setopt(pycurl.M_MAXCONNECTS, self._connections)
        self._multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        self._multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)

    def add(self, exchange: Exchange) -> None:
        """Queue an exchange that has not begun."""
        self._admission.add(exchange.place, exchange)

    def turn(self) -> bool:
        """Start what may start, wait for something to happen, and deal with it.

        Returns:
            Whether the wake-up descriptor is readable.
        """
        self._start()
        woken = False
        for key, mask in self._selector.select(self._sleep_s()):
            if key.fd == self._wake_fd:
                woken = True
            else:
                self._multi.socket_action(key.fd, _READY[mask])
        if self._timer is not None and self._timer <= time.monotonic():
            self._timer = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()
        return woken

    def fail(self, error: ItemError) -> None:
        """Resolve everything with `error` and begin again with nothing."""
        unfinished = [exchange for _, exchange, _ in self._active.values()]
        unfinished += [exchange for _, _, exchange in self._later] + self._admission.drain()
        for exchange in unfinished:  # first of all: closing waits for look-ups of names that are under way
            _give_up(exchange, error)
        self.close()
        self._open()

    def close(self) -> None:
        """Free everything; exchanges are not resolved."""
        for handle, _, _ in self._active.values():
            self._multi.remove_handle(handle.curl)
            handle.close()
        self._active.clear()
        for handle in self._idle:
            handle.close()
        self._idle.clear()
        self._multi.close()
        self._selector.close()

    def _start(self) -> None:
        now = time.monotonic()
        while self._later and self._later[0][0] <= now:
            exchange = heapq.heappop(self._later)[2]
            self._admission.add(exchange.place, exchange, first=True)
        while (taken := self._admission.take()) is not None:
            place, exchange = taken
            try:
                started = self._begin(place, exchange, now)
            except Exception as error:
                if not isinstance(error, ItemError):
                    log.exception("a transfer could not be started")
                started = False
                _give_up(exchange, error)
            if not started:
                self._admission.release(place)

    def _begin(self, place: Place, exchange: Exchange, now: float) -> bool:
        if not exchange.begun:
            if not exchange.future.set_running_or_notify_cancel():
                return False
            exchange.begun = True
        handle = self._idle.pop() if self._idle else Handle()
        try:
            handle.prepare(exchange.hop(self._connect_timeout_s))
            exchange.started_at = now
            self._multi.add_handle(handle.curl)
        except Exception:
            handle.close()
            raise
        self._active[handle.curl] = (handle, exchange, place)
        return True

    def _collect(self) -> None:
        left = 1
        while left:
            left, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                self._finish(curl, 0, "")
            for curl, code, reason in failed:
                self._finish(curl, code, reason)

    def _finish(self, curl: Any, code: int, reason: str) -> None:
        handle, exchange, place = self._active.pop(curl)
        self._admission.release(place)
        try:
            self._multi.remove_handle(curl)
            outcome = handle.outcome(code, reason)
        except Exception as error:
            log.exception("a transfer could not be finished")
            outcome = Outcome(ItemError("fetch_failed", f"the transfer broke: {type(error).__name__}"))
            handle.reusable = False
        if handle.reusable:
            self._idle.append(handle)
        else:
            handle.close()
        try:
            now = time.monotonic()
            wait_s = exchange.advance(outcome, now - exchange.started_at)
        except Exception as error:
            log.exception("a request could not be continued")
            _give_up(exchange, error)
            return
        if wait_s == 0:
            self._admission.add(exchange.place, exchange, first=True)
        elif wait_s is not None:
            heapq.heappush(self._later, (now + wait_s, next(self._order), exchange))

    def _sleep_s(self) -> float:
        moments = [moment for moment in (self._timer,) if moment is not None]
        if self._later:
            moments.append(self._later[0][0])
        return max(0.0, min(moments) - time.monotonic()) if moments else _LONGEST_SLEEP_S

    # What curl calls.

    def _set_timer(self, timeout_ms: int) -> None:
        self._timer = None if timeout_ms < 0 else time.monotonic() + timeout_ms / 1000

    def _watch(self, event: int, fd: int, multi: Any, data: Any) -> None:
        interest = _INTEREST.get(event)
        try:
            if interest is None:
                self._selector.unregister(fd)
            elif fd in self._selector.get_map():
                self._selector.modify(fd, interest)
            else:
                self._selector.register(fd, interest)
        except (KeyError, ValueError, OSError):
            log.debug("socket %d could not be watched", fd, exc_info=True)


def _give_up(exchange: Exchange, error: BaseException) -> None:
    """Resolve an exchange's future, whatever state it is in."""
    if not isinstance(error, ItemError):
        error = ItemError("fetch_failed", f"the transfer broke: {type(error).__name__}", permanent=False)
    future = exchange.future
    if not future.done() and (exchange.begun or future.set_running_or_notify_cancel()):
        future.set_exception(error)
