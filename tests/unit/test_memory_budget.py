"""The bound on bytes in memory: it holds, somebody always gets through, and nothing is lost."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from core.memory_budget import MemoryBudget, Reservation
from core.states import Priority

BULK, INTERACTIVE = Priority.BULK, Priority.INTERACTIVE


def take(reservation: Reservation, size: int, order: list[str] | None = None, name: str = "") -> bool:
    return reservation.grow(size, lambda: order.append(name) if order is not None else None)


@dataclass
class Photo:
    """A photo that comes in pieces; `at` of them have come."""

    reservation: Reservation
    pieces: list[int]
    fails_at: int | None
    at: int = 0
    paused: bool = False
    whole: bool = False
    taken: int = 0
    calls: list[int] = field(default_factory=list)

    def step(self) -> bool:
        """Go on by a piece; False where it has to wait."""
        if self.at == self.fails_at:  # the transfer breaks, and begins again
            self.fails_at, self.at, self.taken = None, 0, 0
            self.reservation.settle(0)
            return True
        if self.at == len(self.pieces):
            self.whole = True
            self.reservation.settle(self.taken)
            return True
        if not self.reservation.grow(self.pieces[self.at], self.go_on):
            self.paused = True
            return False
        self.taken += self.pieces[self.at]
        self.at += 1
        return True

    def go_on(self) -> None:
        self.paused = False


PHOTOS = st.lists(
    st.tuples(st.lists(st.integers(1, 8), max_size=6), st.booleans(), st.sampled_from(Priority)),
    min_size=1,
    max_size=20,
)


@given(st.integers(1, 200), PHOTOS, st.integers(0, 2**32))
def test_the_bound_holds_and_all_get_through(
    limit: int, drawn: list[tuple[list[int], bool, Priority]], seed: int
) -> None:
    """Whatever the order of pieces, failures and decoding: bytes are counted here, not by the budget."""
    largest = max(sum(pieces) for pieces, _, _ in drawn)
    budget = MemoryBudget(limit, largest)
    photos = [
        Photo(budget.reserve(priority), pieces, len(pieces) if fails else None) for pieces, fails, priority in drawn
    ]
    chance = random.Random(seed)
    while photos:
        movable = [photo for photo in photos if not photo.paused]
        assert movable, "all of them wait, and nobody will make room"
        photo = chance.choice(movable)
        if photo.whole:
            photos.remove(photo)
            photo.reservation.release()
        else:
            photo.step()
        taken = [photo.taken for photo in photos]
        assert sum(taken) <= max(limit, largest)
        assert sum(taken) <= budget.held
    assert (budget.held, budget.waiting, budget.crowded) == (0, 0, False)
    assert budget.most_held <= max(limit, largest)


def test_interactive_goes_first_and_bulk_never_takes_all() -> None:
    budget, order = MemoryBudget(90, 10), list[str]()
    bulk = [budget.reserve(BULK) for _ in range(12)]
    assert [take(one, 10, order, f"bulk {n}") for n, one in enumerate(bulk)] == [True] * 8 + [False] * 4
    bulk[0].settle(10)  # the one that went beyond; of the others 70 is the most
    bulk[1].settle(10)
    assert budget.held <= 80
    assert not take(budget.reserve(INTERACTIVE), 10, order, "interactive")
    for one in bulk[:3]:
        one.release()
    assert order[0] == "interactive"
    assert order[1] == "bulk 8"


def test_one_that_is_larger_than_the_limit_gets_through_alone() -> None:
    budget, order = MemoryBudget(5, 100), list[str]()
    small, large, other = (budget.reserve(BULK) for _ in range(3))
    assert take(small, 1)
    assert not take(large, 60, order, "large")
    small.settle(1)
    assert order == []  # it is decoded now
    small.release()
    assert order == ["large"]
    assert take(large, 60)
    assert take(large, 40)
    assert not take(other, 1, order, "other")
    large.settle(100)
    large.release()
    assert order == ["large", "other"]


def test_what_is_given_back_while_it_waits_is_not_granted() -> None:
    budget, order = MemoryBudget(10, 10), list[str]()
    first, second, third = (budget.reserve(BULK) for _ in range(3))
    assert take(first, 10)
    assert not take(second, 10, order, "second")
    assert not take(third, 10, order, "third")
    second.release()
    first.release()
    first.release()
    first.settle(10)  # too late to count
    assert order == ["third"]
    assert (budget.held, budget.waiting) == (10, 0)


def test_it_is_crowded_by_what_came_whole_and_not_by_what_is_coming() -> None:
    budget = MemoryBudget(110, 10)
    coming, whole = budget.reserve(BULK), budget.reserve(BULK)
    assert take(coming, 80)
    assert not budget.crowded
    coming.settle(80)
    assert budget.crowded
    assert not budget.wait_uncrowded(0)
    coming.release()
    assert budget.wait_uncrowded(0)
    whole.release()
