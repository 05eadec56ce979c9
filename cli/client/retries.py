"""How long a command tries again, and how long it pauses in between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from cli.client.problems import CallFailed

INTERACTIVE_PATIENCE_S = 90.0  # at most, for a command whose user waits for its answer
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 15.0
_UNSAID_S = 2.0  # a pause up to this long is not reported
_JITTER = 0.2  # of a pause, so that many clients do not come back at once
# A server that was killed in the middle of a submission holds its key for ten minutes.
KEY_HELD_S = 660.0


class Patience:
    """The tries of one call; not to be shared between threads.

    Args:
        seconds: how long after the first failure there may be another try; 0: never.
        sleep: pauses, or raises if the program is to end.
        report: called with a line for people when a failure lasts; a short one is not worth a line.
    """

    def __init__(self, seconds: float, sleep: Callable[[float], None], report: Callable[[str], None]) -> None:
        self._seconds = seconds
        self._sleep = sleep
        self._report = report
        self._since: float | None = None
        self._reported = False
        self.failures = 0

    def renew(self) -> None:
        """The server has answered: patience begins anew at the next failure."""
        if self._reported:
            self._report("the server answers again")
        self._since, self._reported, self.failures = None, False, 0

    def pause(self, failure: CallFailed, *, limit_s: float | None = None) -> None:
        """Wait before the next try, longer each time, and as long as the server asks to.

        Args:
            limit_s: patience for this failure, if it is not the usual.

        Raises:
            CallFailed: the same one, if it is not transient or patience is at its end.
        """
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        limit = self._seconds if limit_s is None else limit_s
        left = self._since + limit - now
        if not failure.transient or left <= 0:
            raise failure
        self.failures += 1
        pause = min(FIRST_PAUSE_S * 2 ** min(self.failures - 1, 16), LONGEST_PAUSE_S)
        pause *= random.uniform(1 - _JITTER, 1 + _JITTER)
        pause = min(max(pause, failure.retry_after_s or 0.0), left)
        if not self._reported and (self.failures > 1 or pause > _UNSAID_S):
            self._reported = True
            self._report(f"{failure.message}; trying again for up to {_duration(limit)}")
        self._sleep(pause)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"
