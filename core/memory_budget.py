"""A bound on bytes in memory: whoever takes some in asks first, and is called when there is room again.

Nobody has to know beforehand how many bytes are to come, so several may have begun when there is room for none of them
to end. Therefore a part of the limit, as large as the largest input, is kept aside: when all else is taken, one of them
may go on into it until it has ended. It goes on to be worked off, which makes room, and then it is the next one's turn.
So there is always one that gets through, and all together stay below the limit; one that is larger than the limit gets
through alone.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from core.states import Priority

_KEPT = 8  # one part in so many is for interactive inputs only


@dataclass(order=True, slots=True)
class _Waiting:
    priority: Priority
    number: int  # first come, first served
    reservation: Reservation = field(compare=False)
    size: int = field(compare=False)
    then: Callable[[], object] = field(compare=False)


class MemoryBudget:
    """Bytes that are in memory and those that wait to get there. Safe to share between threads.

    Args:
        limit: most bytes.
        largest: most bytes of one input.
    """

    def __init__(self, limit: int, largest: int) -> None:
        self.limit = limit
        shared = max(0, limit - largest)
        self._shared = {Priority.INTERACTIVE: shared, Priority.BULK: shared - shared // _KEPT}
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._queue: list[_Waiting] = []
        self._held = 0
        self._most = 0
        self._whole = 0
        self._beyond: Reservation | None = None  # the one that goes on into what is kept aside

    @property
    def held(self) -> int:
        """Bytes in memory now, or granted to somebody."""
        return self._held

    @property
    def most_held(self) -> int:
        """The most that it ever was."""
        return self._most

    @property
    def waiting(self) -> int:
        """How many wait for room."""
        with self._changed:
            return sum(not one.reservation.closed for one in self._queue)

    @property
    def crowded(self) -> bool:
        """Whether inputs that have come whole take half of it: there is work enough, so more need not be begun."""
        return self._whole > self._shared[Priority.INTERACTIVE] // 2

    def wait_uncrowded(self, timeout_s: float) -> bool:
        """Wait until it is not crowded; False if it still was after that time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self.crowded, timeout_s)

    def reserve(self, priority: Priority) -> Reservation:
        """A place for one input, of no bytes yet."""
        return Reservation(self, priority)

    # What reservations call

    def grow(self, of: Reservation, size: int, then: Callable[[], object]) -> bool:
        """See Reservation.grow."""
        with self._changed:
            missing = size - of.credit
            if of.closed or missing <= 0:
                of.credit = max(0, -missing)
                return True
            of.credit = 0
            waiting = _Waiting(of.priority, next(self._numbers), of, missing, then)
            first = not self._queue or waiting < self._queue[0]
            if (first or of is self._beyond) and self._fits(waiting):
                self._grant(waiting)
                of.credit = 0
                return True
            of.credit = size - missing  # what was granted before and is not used yet
            heapq.heappush(self._queue, waiting)
            return False

    def settle(self, of: Reservation, size: int, *, close: bool = False) -> None:
        """See Reservation.settle and Reservation.release."""
        with self._changed:
            if of.closed:
                return
            self._held += size - of.held
            self._most = max(self._most, self._held)
            self._whole += size - of.whole
            of.held = of.whole = size
            of.credit, of.closed = 0, close
            if self._beyond is of:
                self._beyond = None
            granted = self._let_in()
            self._changed.notify_all()
        for then in granted:
            then()

    def _let_in(self) -> list[Callable[[], object]]:
        granted = []
        while self._queue:
            if not self._queue[0].reservation.closed:
                if not self._fits(self._queue[0]):
                    break
                self._grant(self._queue[0])
                granted.append(self._queue[0].then)
            heapq.heappop(self._queue)
        return granted

    def _fits(self, waiting: _Waiting) -> bool:
        """Whether there is room for the one whose turn it is; it may be the one to go on into what is kept aside."""
        of = waiting.reservation
        if self._beyond is of or self._held + waiting.size <= self._shared[of.priority]:
            return True
        if self._beyond is None and self._held - of.held <= self._shared[Priority.INTERACTIVE]:
            self._beyond = of
            return True
        return False

    def _grant(self, waiting: _Waiting) -> None:
        self._held += waiting.size
        self._most = max(self._most, self._held)
        waiting.reservation.held += waiting.size
        waiting.reservation.credit += waiting.size


class Reservation:
    """The bytes of one input, from the first that comes to the end of what is done with them.

    Attributes:
        held: bytes that count.
        credit: of these, granted to one that waited and not used yet.
        whole: of these, of an input that has come whole.
        closed: it has been given back, for good.
    """

    __slots__ = ("_budget", "closed", "credit", "held", "priority", "whole")

    def __init__(self, budget: MemoryBudget, priority: Priority) -> None:
        self._budget = budget
        self.priority = priority
        self.held = self.credit = self.whole = 0
        self.closed = False

    def grow(self, size: int, then: Callable[[], object]) -> bool:
        """Ask for more bytes.

        Returns:
            Whether they may be taken in now. If not, `then` is called once they are granted, from any thread, and
            must be quick; asked again then, the answer is yes.
        """
        return self._budget.grow(self, size, then)

    def settle(self, size: int) -> None:
        """No more is to come for now, and so many bytes are kept of what came."""
        self._budget.settle(self, size)

    def release(self) -> None:
        """Give everything back, for good; may be called again."""
        self._budget.settle(self, 0, close=True)
