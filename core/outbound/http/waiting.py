"""Requests that have no transfer now: those in the queue for a place, and those put off until a moment.

Here what is known of a host is applied. Whoever waits for a paused host occupies no place, and not for long: then
the request fails as postponed, and whoever made it may bring it again.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from collections.abc import Callable
from functools import partial

from core.errors import ItemError, Postponed
from core.outbound.http.admission import Admission
from core.outbound.http.curl_errors import not_public
from core.outbound.http.exchange import Exchange
from core.outbound.http.hosts import HostStates, Place, unresponsive_error
from core.outbound.http.proxy import Proxy
from core.outbound.http.rates import Rates

_KEPT = 8  # one place in so many is for interactive requests only
_PARKED = 4  # times the transfers at a time to one host: as many may wait here for the end of its pause
_QUEUE_S = 10.0  # so many seconds' requests to one host may wait here for its rate, or _PARKED

PROBE_ANSWER_S = 2.0  # in which a host that is back has answered its probe


class WaitingRoom:
    """Not thread-safe: it belongs to the client's loop.

    Args:
        concurrency, per_host: transfers at a time, in all and to one host.
        rate: requests a second to one host; 0: any number.
        wait_s: longest that one request waits here for the pauses of hosts.
        proxy: through which all but allow-listed hosts are reached.
        again: hands a request to the loop, from any thread.
    """

    def __init__(
        self,
        concurrency: int,
        per_host: int,
        hosts: HostStates,
        *,
        rate: float,
        wait_s: float,
        proxy: Proxy | None,
        again: Callable[[Exchange], object],
    ) -> None:
        self._hosts = hosts
        self._proxy = proxy
        self._again = again
        self._looked_up: set[Exchange] = set()
        self._wait_s = wait_s
        self._most_parked = per_host * _PARKED
        self._parked: Counter[Place] = Counter()
        self._order = itertools.count()
        self._rates = Rates(rate)
        self._most_queued = max(self._most_parked, math.ceil(rate * _QUEUE_S))
        self._closed: set[Place] = set()  # hosts that have had their requests
        self._openings: list[tuple[float, Place]] = []
        self._later: list[tuple[float, int, Exchange, Place | None]] = []
        self.admission: Admission[Exchange] = Admission(concurrency, per_host, concurrency // _KEPT)

    @property
    def next_moment(self) -> float | None:
        """When something that was put off comes back."""
        moments = [self._later[0][0]] if self._later else []
        moments += [self._openings[0][0]] if self._openings else []
        return min(moments, default=None)

    def enter(self, exchange: Exchange, now: float) -> None:
        """Let a request wait for its next hop, or fail at once."""
        self._looked_up.discard(exchange)
        if exchange.future.done():  # cancelled meanwhile, or failed
            return
        if self._proxy is not None and not exchange.url.allowed_private and not self._cleared(self._proxy, exchange):
            return
        if exchange.request.host_aware:
            pause_s = self._hosts.paused_for(exchange.place)
            if self._hosts.unresponsive(exchange.place):
                exchange.fail(exchange.last_error or self._unresponsive(exchange))
                return
            if pause_s:
                self._park(exchange, now, pause_s)
                return
            if not self._may_queue(exchange, now):
                return
        priority = exchange.request.priority
        first = exchange.begun or (self._rates.per_s > 0 and not exchange.request.host_aware)  # the rate is not theirs
        self.admission.add(exchange.place, exchange, priority=priority, first=first)

    def put_off(self, exchange: Exchange, until: float) -> None:
        """Let a request come back at a moment."""
        heapq.heappush(self._later, (until, next(self._order), exchange, None))

    def take(self, now: float) -> tuple[Place, Exchange] | None:
        """The request that starts now, its place occupied until `admission.release`."""
        self._bring_back(now)
        while (taken := self.admission.take(partial(self._may_start, now))) is not None:
            place, exchange = taken
            if not exchange.request.host_aware or (not self._hosts.paused_for(place) and self._hosts.start(place)):
                if exchange.request.host_aware:
                    self._rates.take(place, now)
                return taken
            self.admission.release(place, exchange.request.priority)
            self.enter(exchange, now)  # its host has asked for time, or has fallen silent, meanwhile
        return None

    def drop(self, place: Place, now: float) -> None:
        """Let all that waits for a host that is unresponsive now know it."""
        for exchange in self.admission.drain(place):
            self.enter(exchange, now)

    def drain(self, error: ItemError) -> None:
        """Fail everything that waits."""
        exchanges = self.admission.drain() + [later[2] for later in self._later] + list(self._looked_up)
        self._later.clear()
        self._looked_up.clear()
        self._parked.clear()
        for exchange in exchanges:
            exchange.fail(error)

    def _may_start(self, now: float, place: Place, exchange: Exchange) -> bool:
        """Whether a host may be asked now; otherwise it is offered when it may."""
        opens_at = self._rates.opens_at(place)
        if opens_at <= now or not exchange.request.host_aware:
            return True
        if place not in self._closed:
            self._closed.add(place)
            heapq.heappush(self._openings, (opens_at, place))
        return False

    def _may_queue(self, exchange: Exchange, now: float) -> bool:
        """Whether a request may wait for its host's rate in here. Where many do it fails as postponed: its chunk shall
        not be one of those in hand for hours."""
        if not self._rates.per_s or exchange.begun:
            return True
        place = exchange.place
        waiting = self.admission.waiting(place, exchange.request.priority)
        if waiting >= self._most_queued:
            exchange.fail(Postponed(place[0], self._rates.appointment(place, waiting, now)))
        return waiting < self._most_queued

    def _cleared(self, proxy: Proxy, exchange: Exchange) -> bool:
        """Whether the proxy may be asked for the next hop's host; if not, the request fails, or comes again."""
        host = exchange.url.host
        allowed = proxy.may_reach(host)
        if allowed is None:
            try:
                proxy.look_up(host, lambda: self._again(exchange))
                self._looked_up.add(exchange)
            except RuntimeError as error:
                exchange.fail(error)
        elif not allowed:
            exchange.fail(not_public(host))
        return bool(allowed)

    def _unresponsive(self, exchange: Exchange) -> ItemError:
        """What a request fails with; while a probe asks whether the host is back, it is only put off for its answer."""
        if self._hosts.probing(exchange.place):
            return Postponed(exchange.url.host, PROBE_ANSWER_S)
        return unresponsive_error(exchange.url.host)

    def _park(self, exchange: Exchange, now: float, pause_s: float) -> None:
        place = exchange.place
        if exchange.parked_s + pause_s > self._wait_s or self._parked[place] >= self._most_parked:
            exchange.fail(self._hosts.postpone(place))
            return
        exchange.parked_s += pause_s
        self._parked[place] += 1
        heapq.heappush(self._later, (now + pause_s, next(self._order), exchange, place))

    def _bring_back(self, now: float) -> None:
        while self._openings and self._openings[0][0] <= now:
            _, place = heapq.heappop(self._openings)
            self._closed.discard(place)
            self.admission.offer(place)
        while self._later and self._later[0][0] <= now:
            _, _, exchange, parked = heapq.heappop(self._later)
            if parked is not None:
                self._parked[parked] -= 1
                if not self._parked[parked]:
                    del self._parked[parked]
            self.enter(exchange, now)
