"""What a process keeps for good is looked through once."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from core.garbage import keep_for_good


class Cycle:
    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_what_stays_is_not_looked_at_again() -> None:
    keep_for_good()
    assert gc.get_freeze_count() > 1000
    assert len(gc.get_objects()) < 1000


def test_garbage_goes_before_and_whenever_it_is_called_again() -> None:
    """Fails if models that a reload has replaced would stay for ever."""
    before, stays = Cycle(), Cycle()
    gone, later = weakref.ref(before), weakref.ref(stays)
    del before
    keep_for_good()
    assert gone() is None
    del stays
    gc.collect()
    assert later() is not None, "it was set apart"
    keep_for_good()
    assert later() is None
