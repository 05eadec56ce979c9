"""The loop that drives all transfers: a curl multi, a selector, and the requests that wait for their turn."""

from __future__ import annotations

import heapq
import itertools
import logging
import selectors
import time
from collections.abc import Callable
from typing import Any

import pycurl

from core.errors import ItemError
from core.outbound.http.exchange import Exchange, Plea, plea_s
from core.outbound.http.handle import Handle
from core.outbound.http.hop import Outcome
from core.outbound.http.hosts import HostStates, Place
from core.outbound.http.transfer import Pauses, Transfer
from core.outbound.http.waiting import WaitingRoom

log = logging.getLogger(__name__)
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE
_INTEREST = {pycurl.POLL_IN: _READ, pycurl.POLL_OUT: _WRITE, pycurl.POLL_INOUT: _READ | _WRITE}
_READY = {
    _READ: pycurl.CSELECT_IN,
    _WRITE: pycurl.CSELECT_OUT,
    _READ | _WRITE: pycurl.CSELECT_IN | pycurl.CSELECT_OUT,
}
_LONGEST_SLEEP_S = 60.0
_SILENT_AFTER_S = 1.0  # a host that has not begun to answer by then takes no place from others
_TOO_MANY_S = 1.0  # pause of a host that says 429 and not for how long


class Loop:
    """Transfers of one thread; nothing here may be called from another.

    Args:
        wake_fd: a file descriptor that becomes readable when `turn` should come back early; the caller drains it.
        connections: kept open when they are idle.
        connect_timeout_s: per hop.
        user_agent, proxy: of all requests; the proxy's URL, or "" for none.
        hosts: what is known of hosts.
        soon: has something called in the thread that calls `turn`; may be called from any thread.
        busy: told the share of its transfers, which see `Admission.share`, whenever that changes.
        waiting: makes the queue; once now, and once whenever the loop begins anew.
    """

    def __init__(
        self,
        wake_fd: int,
        *,
        connections: int,
        connect_timeout_s: float,
        user_agent: str,
        proxy: str,
        hosts: HostStates,
        soon: Callable[[Callable[[], object]], object],
        busy: Callable[[float], object],
        waiting: Callable[[], WaitingRoom],
    ) -> None:
        self._wake_fd = wake_fd
        self._connections = connections
        self._connect_timeout_s = connect_timeout_s
        self._user_agent = user_agent
        self._proxy = proxy
        self._hosts = hosts
        self._busy = busy
        self._share = 0.0
        self._make_waiting = waiting
        self._order = itertools.count()
        self._active: dict[Any, Transfer] = {}
        self._idle: list[Handle] = []
        self._pauses = Pauses(self._active, soon, self._set_alarm, self._finish)
        self._open()

    def _open(self) -> None:
        selector = selectors.DefaultSelector()
        selector.register(self._wake_fd, _READ)
        multi: Any = pycurl.CurlMulti()
        multi.setopt(pycurl.M_PIPELINING, 0)
        multi.setopt(pycurl.M_MAXCONNECTS, self._connections)
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._set_timer)
        self._selector, self._multi = selector, multi
        self._alarms: list[tuple[float, int, Handle, int, Callable[[Transfer], None]]] = []
        self._waiting = self._make_waiting()
        self._timer: float | None = None

    def add(self, exchange: Exchange) -> None:
        """Queue an exchange."""
        self._waiting.enter(exchange, time.monotonic())

    def turn(self) -> bool:
        """Start what may start, wait for something to happen, and deal with it.

        Returns:
            Whether the wake-up descriptor is readable.
        """
        self._start()
        self._tell_share()
        woken = False
        for key, mask in self._selector.select(self._sleep_s()):
            if key.fd == self._wake_fd:
                woken = True
            else:
                self._multi.socket_action(key.fd, _READY[mask])
        if self._timer is not None and self._timer <= time.monotonic():
            self._timer = None
            self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._pauses.stop_clocks()
        self._collect()
        self._ring_alarms()
        return woken

    def _tell_share(self) -> None:
        share = self._waiting.admission.share(self._pauses.count)
        if share != self._share:
            self._share = share
            self._busy(share)

    def start_over(self, error: ItemError) -> None:
        """Resolve everything with `error` and begin again with nothing.

        Raises:
            OSError: there are no file descriptors to begin again with; call it again.
        """
        self.end(error)
        self._open()

    def end(self, error: ItemError) -> None:
        """Resolve everything with `error` and free everything. May be called twice."""
        for transfer in self._active.values():  # first of all: closing waits for look-ups of names that are under way
            transfer.exchange.fail(error)
        self._waiting.drain(error)
        for transfer in self._active.values():
            self._multi.remove_handle(transfer.handle.curl)
            transfer.handle.close()
        self._active.clear()
        for handle in self._idle:
            handle.close()
        self._idle.clear()
        self._multi.close()
        self._selector.close()

    def _start(self) -> None:
        now = time.monotonic()
        while (taken := self._waiting.take(now)) is not None:
            place, exchange = taken
            started = False
            try:
                started = self._begin(place, exchange, now)
            except Exception as error:
                if not isinstance(error, ItemError):
                    log.exception("a transfer could not be started")
                exchange.fail(error)
            if not started:
                self._waiting.admission.release(place, exchange.request.priority)
                if exchange.request.host_aware:
                    self._hosts.failed(place, ours=True)

    def _begin(self, place: Place, exchange: Exchange, now: float) -> bool:
        if not exchange.begun:
            if not exchange.future.set_running_or_notify_cancel():
                return False
            exchange.begun = True
        handle = self._idle.pop() if self._idle else self._new_handle()
        try:
            handle.prepare(exchange.hop(self._connect_timeout_s, self._proxy))
            self._multi.add_handle(handle.curl)
        except Exception:
            handle.close()
            raise
        transfer = self._active[handle.curl] = Transfer(handle, exchange, place, now, next(self._order))
        if exchange.request.host_aware:
            self._set_alarm(now + _SILENT_AFTER_S, transfer, self._hush)
        return True

    def _new_handle(self) -> Handle:
        return Handle(self._user_agent, self._noticed, self._pauses.begin, self._pauses.end_soon)

    def _collect(self) -> None:
        left = 1
        while left:
            left, succeeded, failed = self._multi.info_read()
            for curl in succeeded:
                self._finish(self._active[curl], 0, "")
            for curl, code, reason in failed:
                self._finish(self._active[curl], code, reason)

    def _finish(self, transfer: Transfer, code: int, reason: str) -> None:
        handle, exchange = transfer.handle, transfer.exchange
        del self._active[handle.curl]
        self._pauses.forget(transfer)
        self._waiting.admission.release(transfer.place, exchange.request.priority, silent=transfer.silent)
        try:
            self._multi.remove_handle(handle.curl)
            outcome = handle.outcome(code, reason)
        except Exception as error:
            log.exception("a transfer could not be finished")
            outcome = Outcome(ItemError("fetch_failed", f"the transfer broke: {type(error).__name__}"))
            handle.reusable = False
        if handle.reusable:
            self._idle.append(handle)
        else:
            handle.close()
        now, memory = time.monotonic(), exchange.request.memory
        if memory is not None:  # before the response is handed over: then the memory is its taker's to give back
            memory.settle(len(outcome.body))
        try:
            plea = self._remember(transfer, outcome, now) if exchange.request.host_aware else None
            wait_s = exchange.advance(outcome, transfer.took_s(now), plea)
        except Exception as error:
            log.exception("a request could not be continued")
            exchange.fail(error)
            return
        if memory is not None and wait_s is not None:
            memory.settle(0)
        if wait_s == 0:
            self._waiting.enter(exchange, now)
        elif wait_s is not None:
            self._waiting.put_off(exchange, now + wait_s)

    def _remember(self, transfer: Transfer, outcome: Outcome, now: float) -> Plea | None:
        """Keep in mind what a hop tells of its host; what becomes of the request where the host asks for time."""
        place, url = transfer.place, transfer.exchange.url.url
        if outcome.silent:
            if self._hosts.silence(place, url, transfer.started_at, connected=outcome.connected):
                self._waiting.drop(place, now)
            return None
        if outcome.error is not None:
            self._hosts.failed(place, ours=outcome.error.code in ("worker_resources", "address_not_allowed"))
            return None
        asked_s = plea_s(outcome)
        if asked_s is not None:
            return "wait" if self._hosts.pause(place, url, asked_s) else "too long"
        if outcome.status == 429:
            self._hosts.pause(place, url, _TOO_MANY_S)
        else:
            self._hosts.answered(place, url)
        return None

    def _sleep_s(self) -> float:
        alarm = self._alarms[0][0] if self._alarms else None
        moments = [moment for moment in (self._timer, self._waiting.next_moment, alarm) if moment is not None]
        return min(max(0.0, min(moments) - time.monotonic()), _LONGEST_SLEEP_S) if moments else _LONGEST_SLEEP_S

    # Alarms: what is due to a transfer that is still under way by then.

    def _set_alarm(self, moment: float, transfer: Transfer, due: Callable[[Transfer], None]) -> None:
        # By number: a transfer that has ended must not be kept, with all that it brought, until its alarm goes off.
        heapq.heappush(self._alarms, (moment, next(self._order), transfer.handle, transfer.serial, due))

    def _ring_alarms(self) -> None:
        now = time.monotonic()
        while self._alarms and self._alarms[0][0] <= now:
            _, _, handle, serial, due = heapq.heappop(self._alarms)
            transfer = self._active.get(handle.curl)
            if transfer is not None and transfer.serial == serial:
                due(transfer)

    def _hush(self, transfer: Transfer) -> None:
        if not transfer.handle.answer.begun:
            transfer.silent = self._waiting.admission.hush(transfer.exchange.request.priority)
            transfer.handle.spare_sockets()

    def _cut_off(self, transfer: Transfer) -> None:
        self._finish(transfer, pycurl.E_OPERATION_TIMEDOUT, "")

    # What curl calls.

    def _noticed(self, handle: Handle) -> None:
        transfer, answer = self._active[handle.curl], handle.answer
        request = transfer.exchange.request
        if transfer.silent:
            transfer.silent = False
            self._waiting.admission.unhush(request.priority)
        if request.host_aware:
            self._hosts.heard(transfer.place)
        if answer.head_read and request.status_only:
            self._set_alarm(time.monotonic() + request.body_time_s, transfer, self._cut_off)

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
