"""The queue of the HTTP client: caps hold, nothing is lost, and no host waits for another's queue."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.outbound.http.admission import Admission, Place

STEPS = st.lists(st.tuples(st.sampled_from(["add", "add first", "take", "release"]), st.integers(0, 3)))


@given(st.integers(1, 5), st.integers(1, 3), STEPS)
def test_caps_hold_and_nothing_is_lost(total: int, per_host: int, steps: list[tuple[str, int]]) -> None:
    queue: Admission[int] = Admission(total, per_host)
    running: list[tuple[Place, int]] = []
    added = 0
    done: list[int] = []

    def take() -> bool:
        if (taken := queue.take()) is None:
            return False
        running.append(taken)
        places = [place for place, _ in running]
        assert len(places) <= total
        assert places.count(taken[0]) <= per_host
        return True

    def release(which: int) -> None:
        place, item = running.pop(which % len(running))
        done.append(item)
        queue.release(place)

    for step, number in steps:
        if step.startswith("add"):
            queue.add((str(number), 80), added, first=step == "add first")
            added += 1
        elif step == "take":
            take()
        elif running:
            release(number)
    while take() or running:
        while take():
            pass
        release(0)
    assert sorted(done) == list(range(added))
    assert queue.drain() == []


def test_hosts_take_turns() -> None:
    queue: Admission[str] = Admission(10, 10)
    for number in range(3):
        queue.add(("long", 80), f"long {number}")
    queue.add(("short", 80), "short 0")
    order = [taken[1] for _ in range(4) if (taken := queue.take()) is not None]
    assert order == ["long 0", "short 0", "long 1", "long 2"]


def test_what_has_begun_goes_first() -> None:
    queue: Admission[str] = Admission(1, 1)
    queue.add(("a", 80), "new")
    queue.add(("a", 80), "begun", first=True)
    taken = queue.take()
    assert taken is not None
    assert taken[1] == "begun"
    assert queue.take() is None
    assert queue.drain() == ["new"]
