"""What is known of hosts that ask for time, and of those that do not answer. Thread-safe.

A host is a name and a port. One that answers 429 or 503 with Retry-After is paused as a whole. One that stays silent
several times in a row counts as unresponsive: its requests fail at once, but for one probe at a time that finds out
when it is back (a circuit breaker: M. Nygard, "Release It!", 2007). Everything here is a worker's own experience, kept
in memory, and forgotten when it is old.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from core.errors import ItemError, Postponed
from core.outbound.url_policy import check_url
from core.settings import Settings

Place = tuple[str, int]

_FORGET_S = 600.0
_MOST_HOSTS = 20_000
_MOST_URLS = 10_000  # of one host, that it has turned away
_FIRST_PAUSE_S = 0.25  # where Retry-After is 0; it doubles while the host turns everybody away
_MOST_DOUBLINGS = 7
_PROBE_MAX_S = 60.0  # between probes
_PROBE_LOST_S = 300.0  # a probe that nobody has heard of any more
_SAME_URL = 8  # time-outs of one URL weigh this much less: it may be the only slow thing there
_APPOINTMENT_MAX_S = 60.0
_EPISODE_S = 60.0  # without a pause, and the next one begins the measurement of its rate anew
_SLOWEST, _SUPPOSED = 0.5, 10.0  # answers a second: the least, and until something was measured
_MEASURED_S = 3.0


@dataclass(slots=True)
class _Host:
    """One host that has given cause for caution."""

    touched: float
    # It asked for time
    paused_until: float = -_FORGET_S
    rounds: int = 0  # pauses without an answer between them
    since: float = 0.0  # beginning of this episode of pauses
    answers: float = 0.0
    counting_since: float = 0.0
    appointed: float = 0.0  # appointments are given up to this moment
    refused: OrderedDict[str, float] = field(default_factory=OrderedDict)  # URL, and when first
    # It stayed silent
    silences: int = 0
    silent: set[str | int] = field(default_factory=set)
    dead: bool = False
    probes: int = 0  # in vain
    probe_at: float = 0.0  # from then on the next request is a probe
    probing_since: float | None = None

    @property
    def quiet_since(self) -> float:
        return max(self.touched, self.paused_until, self.probe_at if self.dead else self.touched)

    def revive(self) -> None:
        self.dead, self.silences, self.probing_since = False, 0, None
        self.silent.clear()

    def rate(self, now: float) -> float:
        """Answers a second, in the last minute."""
        if now - self.counting_since > _EPISODE_S:
            self.answers, self.counting_since = self.answers / 2, (self.counting_since + now) / 2
        if now - self.counting_since < _MEASURED_S:
            return _SUPPOSED
        return max(_SLOWEST, self.answers / (now - self.counting_since))


class HostStates:
    """The memory of one process.

    Args:
        pause_max_s: longest pause, and longest that an input waits for one host's pauses together.
        dead_after: silences in a row that make a host unresponsive.
        probe_s: time to the first probe; it doubles with each one in vain.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        *,
        pause_max_s: float = 600.0,
        dead_after: int = 4,
        probe_s: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pause_max_s = pause_max_s
        self._dead_after = dead_after
        self._probe_s = probe_s
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._hosts: OrderedDict[Place, _Host] = OrderedDict()
        self._heard: OrderedDict[Place, float] = OrderedDict()  # of every host, when it last sent anything

    @classmethod
    def of(cls, settings: Settings) -> HostStates:
        """As the settings say."""
        return cls(pause_max_s=settings.fetch_pause_max_s, dead_after=settings.fetch_dead_after)

    # To ask before starting

    def paused_for(self, place: Place) -> float:
        """Seconds for which a host wants to be left alone; 0: it does not."""
        with self._lock:
            host = self._hosts.get(place)
            return max(0.0, host.paused_until - self._clock()) if host else 0.0

    def unresponsive(self, place: Place) -> bool:
        """Whether a request to this host fails at once. False where the next one is due as a probe."""
        with self._lock:
            host = self._hosts.get(place)
            return host is not None and host.dead and self._clock() < host.probe_at

    def probing(self, place: Place) -> bool:
        """Whether a probe is finding out at this moment if an unresponsive host is back."""
        with self._lock:
            host = self._hosts.get(place)
            return host is not None and host.dead and host.probing_since is not None

    def hindrance(self, url: str) -> ItemError | None:
        """What a host-aware request would fail with at once; None: it is worth starting (or its URL is invalid)."""
        try:
            parsed = check_url(url)
        except ItemError:
            return None
        place = parsed.host, parsed.port
        if self.unresponsive(place):
            return unresponsive_error(parsed.host)
        paused_s = self.paused_for(place)
        return Postponed(parsed.host, paused_s) if paused_s else None

    def postpone(self, place: Place) -> Postponed:
        """An appointment with a paused host: the later, the more were given, at about the rate of its answers."""
        with self._lock:
            now = self._clock()
            host = self._of(place, now)
            opens = max(host.paused_until, now)
            at = max(opens, host.appointed)
            # Twice as fast as it answers: who comes too early is sent away again, but no time of the host is wasted.
            # And no further ahead than it has been watched for, so that a wrong first guess does not last.
            watched_s = min(max(now - host.since, _MEASURED_S), _APPOINTMENT_MAX_S)
            each_s = 0.5 / host.rate(now)
            # Nor further than those it has turned away need: who comes back again and again must not push the end away.
            host.appointed = min(at + each_s, opens + min(watched_s, len(host.refused) * each_s))
            return Postponed(place[0], at - now)

    # What has been experienced

    def start(self, place: Place) -> bool:
        """Before a transfer: False if it must not be, because the host is unresponsive; or this one is the probe."""
        with self._lock:
            now = self._clock()
            host = self._hosts.get(place)
            if host is None or not host.dead:
                return True
            if now < host.probe_at:
                return False
            host.probing_since, host.probe_at = now, now + _PROBE_LOST_S
            return True

    def heard(self, place: Place) -> None:
        """A first byte has come: the host lives."""
        with self._lock:
            now = self._clock()
            self._heard[place] = now
            self._heard.move_to_end(place)
            while len(self._heard) > _MOST_HOSTS:
                self._heard.popitem(last=False)
            host = self._hosts.get(place)
            if host is not None:
                host.revive()

    def silence(self, place: Place, url: str, started_at: float, *, connected: bool) -> bool:
        """A transfer's time is up without a single byte. Whether the host is unresponsive now.

        It does not count if the host has sent something to somebody else meanwhile.

        Args:
            started_at: of the transfer, by the clock.
            connected: a connection stood, so the silence may be that of one URL.
        """
        with self._lock:
            now = self._clock()
            if self._heard.get(place, started_at) > started_at:
                return False
            host = self._of(place, now)
            if host.dead:
                if host.probing_since is not None and started_at >= host.probing_since:  # else: from before
                    host.probes += 1
                    host.probing_since = None
                    host.probe_at = now + min(_PROBE_MAX_S, self._probe_s * 2.0**host.probes)
                return True
            host.silences += 1
            host.silent.add(url if connected else next(self._numbers))
            if len(host.silent) >= self._dead_after or host.silences >= self._dead_after * _SAME_URL:
                host.dead, host.probes, host.probe_at = True, 0, now + self._probe_s
            return host.dead

    def failed(self, place: Place, *, ours: bool) -> None:
        """A transfer failed without a time-out: refused, reset, no address. Such a host holds nobody up.

        Args:
            ours: for a reason that is not the host's; then the next request may be the probe.
        """
        with self._lock:
            host = self._hosts.get(place)
            if host is None or not host.dead:
                return
            if not ours:
                host.revive()
            elif host.probing_since is not None:
                host.probing_since, host.probe_at = None, self._clock()

    def answered(self, place: Place, url: str) -> None:
        """An answer other than a plea for time."""
        with self._lock:
            host = self._hosts.get(place)
            if host is not None:
                host.rounds = 0
                host.answers += 1
                host.refused.pop(url, None)

    def pause(self, place: Place, url: str, asked_s: float) -> bool:
        """The host asks for time.

        Returns:
            Whether the URL should be asked for again afterwards; False: it has waited, or would wait, too long.
        """
        with self._lock:
            now = self._clock()
            host = self._of(place, now)
            if now >= host.paused_until:  # else: one of several that were under way together
                host.rounds += 1
                if now - host.paused_until > _EPISODE_S:
                    host.since, host.answers, host.counting_since = now, 0.0, now
            least_s = _FIRST_PAUSE_S * 2.0 ** min(host.rounds - 1, _MOST_DOUBLINGS)
            pause_s = min(max(asked_s, least_s), self._pause_max_s)
            host.paused_until = max(host.paused_until, now + pause_s)
            first = host.refused.setdefault(url, now)
            if len(host.refused) > _MOST_URLS:
                host.refused.popitem(last=False)
            if asked_s <= self._pause_max_s and now - first < self._pause_max_s:
                return True
            host.refused.pop(url, None)
            return False

    def _of(self, place: Place, now: float) -> _Host:
        """The state of a host, made if there is none; what is old goes meanwhile."""
        host = self._hosts.pop(place, None)
        if host is None or now - host.quiet_since > _FORGET_S:
            host = _Host(now)
        host.touched = now
        self._hosts[place] = host
        oldest = next(iter(self._hosts))
        if len(self._hosts) > _MOST_HOSTS or now - self._hosts[oldest].quiet_since > _FORGET_S:
            del self._hosts[oldest]
        return host


def unresponsive_error(host: str) -> ItemError:
    """The error of an input whose host does not answer."""
    message = f"{host} has not answered several times in a row; it is asked again from time to time"
    return ItemError("host_unresponsive", message, permanent=False)
