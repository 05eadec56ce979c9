"""How many requests a second one host gets: a token bucket for each, kept as the moment when it is full again.

(The generic cell rate algorithm, ITU-T I.371.) A bucket holds a tenth of a second's requests, and one at least: a host
that was left alone for a while is not overrun afterwards.
"""

from __future__ import annotations

from collections import OrderedDict

Place = tuple[str, int]

_BURST_S = 0.1
_AHEAD_S = 300.0  # an appointment is no later: what else has one may be cancelled
_MOST_HOSTS = 20_000


class Rates:
    """Not thread-safe: it belongs to the client's loop. Moments are monotonic seconds.

    Args:
        per_s: requests a second to one host and port; 0: any number.
    """

    def __init__(self, per_s: float) -> None:
        self.per_s = per_s
        self._each_s = 1 / per_s if per_s else 0.0
        self._full_at: OrderedDict[Place, float] = OrderedDict()
        self._appointed: dict[Place, float] = {}

    def opens_at(self, place: Place) -> float:
        """When the next request may start; a moment that has passed: now."""
        full_at = self._full_at.get(place)
        return full_at - max(0.0, _BURST_S - self._each_s) if self.per_s and full_at is not None else 0.0

    def take(self, place: Place, now: float) -> None:
        """A request starts now."""
        if not self.per_s:
            return
        self._full_at[place] = max(self._full_at.pop(place, now), now) + self._each_s
        while (oldest := next(iter(self._full_at))) != place and (
            self._full_at[oldest] < now or len(self._full_at) > _MOST_HOSTS
        ):
            del self._full_at[oldest]
            self._appointed.pop(oldest, None)

    def appointment(self, place: Place, waiting: int, now: float) -> float:
        """Seconds after which one comes in time that finds so many waiting; each gets a moment of its own."""
        first = max(now, self._full_at.get(place, now)) + waiting * self._each_s
        at = min(max(first, self._appointed.get(place, 0.0)), now + max(_AHEAD_S, first - now))
        self._appointed[place] = at + self._each_s
        return at - now
