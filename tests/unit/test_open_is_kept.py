"""What a process has open is no work for the garbage collector."""

from __future__ import annotations

import gc

from core.startup import keep_what_is_open


class Opened:
    """Something that is open, and what it reads."""

    def __init__(self) -> None:
        self.itself = self  # as models, sessions and lanes hold one another


def test_the_collector_looks_at_new_things_alone() -> None:
    opened = Opened()
    keep_what_is_open()
    try:
        later = Opened()
        seen = {id(thing) for thing in gc.get_objects() if isinstance(thing, Opened)}
        assert id(opened) not in seen
        assert id(later) in seen
        del later
        assert gc.collect() > 0, "cycles that come and go are freed as ever"
    finally:
        gc.unfreeze()
