"""Who may work beside whom: most chunks side by side, one under suspicion with nothing beside it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Gate:
    """A lock with many sharers or one holder (readers and writer); whoever wants to be alone goes first."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._sharing = 0
        self._waiting_alone = 0
        self._alone = False

    @contextmanager
    def pass_through(self, *, alone: bool) -> Iterator[None]:
        """Hold the gate during the block, with others or alone."""
        with self._changed:
            if alone:
                self._waiting_alone += 1
                self._changed.wait_for(lambda: not self._alone and not self._sharing)
                self._waiting_alone -= 1
                self._alone = True
            else:
                self._changed.wait_for(lambda: not self._alone and not self._waiting_alone)
                self._sharing += 1
        try:
            yield
        finally:
            with self._changed:
                if alone:
                    self._alone = False
                else:
                    self._sharing -= 1
                self._changed.notify_all()
