"""Which chunks may run at the same time: most do; one that workers have died with runs alone."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Gate:
    """A readers-writer lock: many share it or one holds it alone, and who wants it alone goes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing = 0
        self._waiting_alone = 0
        self._alone = False

    @property
    def open(self) -> bool:
        """Whether it can be shared now: nobody holds it alone or waits to."""
        return not self._alone and not self._waiting_alone

    def wait_open(self, timeout_s: float) -> bool:
        """Wait until it is open; False if it was not within that time."""
        with self._changed:
            return self._changed.wait_for(lambda: self.open, timeout_s)

    def share(self) -> Callable[[], None] | None:
        """Share it; returns what to call at the end, or None if it cannot be shared now."""
        with self._changed:
            if not self.open:
                return None
            self._sharing += 1
        return self._leave_shared

    def alone(self) -> Callable[[], None]:
        """Wait until nobody else has it, and hold it alone; returns what to call at the end."""
        with self._changed:
            self._waiting_alone += 1
            self._changed.wait_for(lambda: not self._alone and not self._sharing)
            self._waiting_alone -= 1
            self._alone = True
        return self._leave_alone

    def _leave_shared(self) -> None:
        with self._changed:
            self._sharing -= 1
            self._changed.notify_all()

    def _leave_alone(self) -> None:
        with self._changed:
            self._alone = False
            self._changed.notify_all()
