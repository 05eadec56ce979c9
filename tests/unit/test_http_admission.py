"""The queue of the HTTP client: caps hold, nothing is lost, and no host waits for another's queue."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from core.outbound.http.admission import Admission, Place
from core.states import Priority

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


def test_interactive_goes_first_and_bulk_is_not_starved() -> None:
    queue: Admission[str] = Admission(100, 100)
    for number in range(20):
        queue.add(("a", 80), f"bulk {number}")
        queue.add(("b", 80), f"interactive {number}", priority=Priority.INTERACTIVE)
    order = [taken[1].split()[0] for _ in range(40) if (taken := queue.take()) is not None]
    assert order[:7] == ["interactive"] * 7
    assert order[7] == "bulk"
    assert order[:16].count("bulk") == 2
    assert order.count("bulk") == 20


def test_some_places_are_never_taken_by_bulk() -> None:
    queue: Admission[str] = Admission(8, 100, kept=2)
    for number in range(20):
        queue.add(("a", 80), f"bulk {number}")
    started = 0
    while queue.take() is not None:
        started += 1
    assert started == 6
    for number in range(20):
        queue.add(("a", 80), f"interactive {number}", priority=Priority.INTERACTIVE)
    while (taken := queue.take()) is not None:
        assert taken[1].startswith("interactive")
        started += 1
    assert started == 8
    queue.release(("a", 80), Priority.INTERACTIVE)
    assert (queue.take() or ("", "none"))[1].startswith("interactive")


def test_the_cap_per_host_is_for_both_priorities_together() -> None:
    queue: Admission[str] = Admission(10, 2)
    for priority in Priority:
        for number in range(3):
            queue.add(("a", 80), f"{priority} {number}", priority=priority)
    assert queue.take() is not None
    assert queue.take() is not None
    assert queue.take() is None
    queue.add(("b", 80), "another host")
    assert queue.take() == (("b", 80), "another host")
    queue.release(("a", 80), Priority.INTERACTIVE)
    assert queue.take() == (("a", 80), f"{Priority.INTERACTIVE} 2")


def test_silent_transfers_make_room_but_not_at_their_own_host() -> None:
    queue: Admission[int] = Admission(2, 2)
    for number in range(5):
        queue.add(("silent", 80), number)
    while queue.take() is not None:
        pass
    for _ in range(2):
        assert queue.hush(Priority.BULK)
    assert queue.take() is None
    queue.add(("alive", 80), 9)
    assert queue.take() == (("alive", 80), 9)
    queue.unhush(Priority.BULK)  # one of the silent begins to answer: two under way again
    queue.add(("alive", 80), 10)
    assert queue.take() is None
    queue.release(("silent", 80), Priority.BULK)
    assert queue.take() is not None


def test_silent_transfers_are_bounded_too() -> None:
    queue: Admission[int] = Admission(2, 100)
    for number in range(100):
        queue.add((str(number), 80), number)
    started = 0
    while queue.take() is not None:
        started += 1
        queue.hush(Priority.BULK)
    assert started == 8
    queue.release(("0", 80), silent=True)
    assert queue.hush(Priority.BULK)
    assert queue.take() is not None


def test_what_waits_for_one_host_can_be_taken_out() -> None:
    queue: Admission[int] = Admission(1, 1)
    for number in range(3):
        queue.add(("a", 80), number)
        queue.add(("b", 80), 10 + number, priority=Priority.INTERACTIVE)
    assert queue.drain(("a", 80)) == [0, 1, 2]
    assert queue.take() == (("b", 80), 10)
    queue.release(("b", 80), Priority.INTERACTIVE)
    queue.add(("a", 80), 4)
    assert queue.take() == (("b", 80), 11)
