"""The inference lane: order, isolation, and that no future is left hanging."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from core.errors import ItemError
from worker.inference.batching import NO_ITEM, Lane
from worker.inference.fair_queue import FairQueue, Part

BAD = 13


def _number(value: int) -> NDArray[Any]:
    return np.array([value])


class Recorder:
    """A predict function that doubles, remembers its batches, and can be held at a gate."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def __call__(self, batch: Sequence[Any]) -> Sequence[int]:
        values = [int(row[0]) for row in batch]
        self.batches.append(values)
        self.entered.set()
        assert self.gate.wait(180)
        if BAD in values:
            raise RuntimeError("thirteen")
        return [2 * value for value in values]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def lane(recorder: Recorder) -> Iterator[Lane]:
    opened = Lane(recorder, batch_size=8, streams=1, name="test")
    yield opened
    recorder.gate.set()
    opened.close()


def _hold(lane: Lane, recorder: Recorder) -> None:
    """Occupy the lane with one item, so that what follows queues up behind it."""
    recorder.gate.clear()
    lane.submit(_number(0), 0)
    assert recorder.entered.wait(180)


def test_results_belong_to_their_items(lane: Lane) -> None:
    futures = [lane.submit(_number(n), 1) for n in range(100, 150)]
    assert [future.result(180) for future in futures] == [2 * n for n in range(100, 150)]


def test_a_full_queue_leaves_in_full_batches(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    futures = [lane.submit(_number(n), 1) for n in range(20, 36)]
    recorder.gate.set()
    for future in futures:
        future.result(180)
    assert [len(batch) for batch in recorder.batches] == [1, 8, 8]


def test_interactive_items_overtake_bulk_ones(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    bulk = [lane.submit(_number(n), 1) for n in range(20, 30)]
    quick = [lane.submit(_number(n), 0) for n in range(30, 33)]
    recorder.gate.set()
    for future in bulk + quick:
        future.result(180)
    # By themselves: with bulk items beside them they would take as long as a whole batch.
    assert recorder.batches[1:3] == [[30, 31, 32], [20, 21, 22, 23, 24, 25, 26, 27]]


def test_a_bad_item_fails_alone(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    futures = {n: lane.submit(_number(n), 1) for n in range(10, 18)}
    recorder.gate.set()
    for n, future in futures.items():
        if n == BAD:
            with pytest.raises(ItemError) as caught:
                future.result(180)
            assert caught.value.code == "inference_failed"
        else:
            assert future.result(180) == 2 * n


def test_a_cancelled_item_costs_nothing(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    dropped, kept = lane.submit(_number(50), 1), lane.submit(_number(51), 1)
    assert dropped.cancel()
    recorder.gate.set()
    assert kept.result(180) == 102
    assert recorder.batches == [[0], [51]]


def test_results_of_another_length_are_an_error_of_each_item() -> None:
    lane = Lane(lambda batch: [], batch_size=4, streams=1, name="short")
    with pytest.raises(ItemError):
        lane.submit(_number(1), 0).result(180)
    lane.close()


def test_closing_resolves_whatever_waits(recorder: Recorder) -> None:
    lane = Lane(recorder, batch_size=4, streams=1, name="closing")
    _hold(lane, recorder)
    waiting = lane.submit(_number(1), 0)
    closer = threading.Thread(target=lane.close)
    closer.start()
    with pytest.raises(ItemError) as caught:
        waiting.result(180)
    assert caught.value.code == "worker_stopping"
    recorder.gate.set()
    closer.join()
    with pytest.raises(ItemError):
        lane.submit(_number(2), 0)


class Hungry:
    """A predict function that has memory for so many items at a time."""

    def __init__(self, room: int, error: Exception) -> None:
        self.room = room
        self.error = error
        self.sizes: list[int] = []

    def __call__(self, batch: Sequence[Any]) -> Sequence[int]:
        self.sizes.append(len(batch))
        if len(batch) > self.room:
            raise self.error
        return [int(row[0]) for row in batch]


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("Exception from src/inference: bad allocation: std::bad_alloc"),
        RuntimeError("ResourceExhaustedError: OOM when allocating tensor with shape[16,112,112,96]"),
        RuntimeError("CUDA_ERROR_OUT_OF_MEMORY: out of memory"),
        RuntimeError(
            "[ONNXRuntimeError] : 1 : FAIL : Failed to allocate memory for requested buffer of size 822083584"
        ),
        RuntimeError("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0"),
    ],
)
def test_what_memory_a_batch_needs_is_found_out_once(error: Exception) -> None:
    hungry = Hungry(3, error)
    lane = Lane(hungry, batch_size=8, streams=1, name="hungry")
    for _ in range(3):
        futures = [lane.submit(_number(n), 1) for n in range(16)]
        assert [future.result(180) for future in futures] == list(range(16))
    tried = [size for size in hungry.sizes if size > 3]
    assert 1 <= len(tried) <= 3, "of the first batch alone: at eight, and its halves"
    lane.close()


def test_an_item_that_memory_is_short_for_may_be_tried_again() -> None:
    lane = Lane(Hungry(0, MemoryError()), batch_size=4, streams=1, name="starving")
    with pytest.raises(ItemError) as caught:
        lane.submit(_number(1), 0).result(180)
    assert (caught.value.code, caught.value.permanent) == ("worker_resources", False)
    lane.close()


def test_what_fails_alone_once_is_given_a_second_chance() -> None:
    failures = iter([True, False])

    def flaky(batch: Sequence[Any]) -> Sequence[int]:
        if next(failures):
            raise RuntimeError("a hiccup")
        return [7]

    lane = Lane(flaky, batch_size=4, streams=1, name="flaky")
    assert lane.submit(_number(1), 0).result(180) == 7
    lane.close()


def test_what_fails_alone_twice_fails_for_good_and_names_no_file() -> None:
    def broken(batch: Sequence[Any]) -> Sequence[int]:
        raise RuntimeError("cannot read /srv/models/secret.bin")

    lane = Lane(broken, batch_size=4, streams=1, name="broken")
    with pytest.raises(ItemError) as caught:
        lane.submit(_number(1), 0).result(180)
    assert (caught.value.code, caught.value.permanent) == ("inference_failed", True)
    assert "/srv" not in caught.value.message
    lane.close()


ARRIVALS = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 30)), min_size=1, max_size=6)


@settings(deadline=None)
@given(ARRIVALS, st.integers(1, 8))
def test_tenants_that_wait_get_the_same_share(arrivals: list[tuple[str, int]], size: int) -> None:
    """Whatever was queued in which order, at no moment is a waiting tenant ahead of another by more than one."""
    queue = FairQueue()
    waiting: Counter[str] = Counter()
    for tenant, count in arrivals:
        waiting[tenant] += count
        for _ in range(count):
            queue.put([tenant], 1, tenant, [NO_ITEM], NOBODY)
    served: Counter[str] = Counter()
    while queue:
        for (taken,) in (part.items for part in queue.take(size)):
            served[taken] += 1
            waiting[taken] -= 1
            behind = [served[tenant] for tenant in waiting if waiting[tenant]]
            assert not behind or served[taken] - min(behind) <= 1
    assert not +waiting


def test_an_urgent_item_takes_few_others_along_and_never_all_the_room() -> None:
    """Fails if an interactive photo had to wait for a whole batch of bulk, or if many of them stopped bulk for good."""
    queue = FairQueue()
    queue.put([f"bulk {at}" for at in range(40)], 1, "a", [NO_ITEM] * 40, NOBODY)
    for at in range(5):
        queue.put([f"quick {at}"], 0, "b", [NO_ITEM], NOBODY)
        assert _items(queue.take(16)) == sorted([f"quick {at}", *(f"bulk {3 * at + more}" for more in range(3))])
    queue.put([f"quick {at}" for at in range(9)], 0, "b", [NO_ITEM] * 9, NOBODY)
    assert _items(queue.take(16)) == [f"quick {at}" for at in range(9)]
    assert len(queue.take(16)) == 1
    assert len(queue) == 9


GROUPS = st.lists(st.tuples(st.sampled_from((0, 1)), st.sampled_from("abc"), st.integers(1, 9)), min_size=1, max_size=8)


@settings(deadline=None)
@given(GROUPS, st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_items_that_come_together_go_when_each_alone_would(
    groups: list[tuple[int, str, int]], sizes: list[int]
) -> None:
    """Batch for batch the same items, groups queued between batches included: a big group gets ahead of nobody."""
    alone, together = FairQueue(), FairQueue()
    for number, (priority, tenant, count) in enumerate(groups):
        items = [(number, at) for at in range(count)]
        together.put(items, priority, tenant, [NO_ITEM] * count, NOBODY)
        for item in items:
            alone.put([item], priority, tenant, [NO_ITEM], NOBODY)
        size = sizes[number % len(sizes)]
        assert _items(together.take(size)) == _items(alone.take(size))
        assert len(together) == len(alone)
    assert _items(together.drain()) == _items(alone.drain())
    assert not together


def _items(parts: list[Part]) -> list[Any]:
    return sorted(item for part in parts for item in part.items)


class Told:
    """Is told what becomes of items that were queued together."""

    def __init__(self, wanted: bool = True) -> None:
        self.wanted = wanted
        self.results: dict[int, Any] = {}
        self.all = threading.Semaphore(0)

    def begin(self) -> bool:
        return self.wanted

    def done(self, first: int, results: Sequence[Any]) -> None:
        self._add(dict(enumerate(results, first)))

    def fail(self, first: int, last: int, error: Exception) -> None:
        self._add(dict.fromkeys(range(first, last), error))

    def _add(self, results: dict[int, Any]) -> None:
        assert not self.results.keys() & results.keys(), "told twice"
        self.results |= results
        for _ in results:
            self.all.release()

    def wait(self, count: int) -> list[Any]:
        for _ in range(count):
            assert self.all.acquire(timeout=180)
        return [self.results[at] for at in range(count)]


NOBODY = Told()


def test_the_culprit_of_items_that_came_together_fails_alone(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    told, other = Told(), lane.submit(_number(50), 0)
    lane.submit_many([_number(n) for n in range(20)], 1, "", [NO_ITEM] * 20, told)
    recorder.gate.set()
    results = told.wait(20)
    assert results[:BAD] + results[BAD + 1 :] == [2 * n for n in range(20) if n != BAD]
    assert (results[BAD].code, other.result(180)) == ("inference_failed", 100)


def test_items_that_came_together_are_dropped_together(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    dropped, kept = Told(), Told()
    for told in (dropped, kept):
        lane.submit_many([_number(n) for n in range(10, 13)], 1, "", [NO_ITEM] * 3, told)
    dropped.wanted = False
    recorder.gate.set()
    assert kept.wait(3) == [20, 22, 24]
    assert (dropped.results, recorder.batches) == ({}, [[0], [10, 11, 12]])


def test_closing_tells_of_whatever_came_together(recorder: Recorder) -> None:
    lane = Lane(recorder, batch_size=2, streams=1, name="closing")
    _hold(lane, recorder)
    told = Told()
    lane.submit_many([_number(n) for n in range(5)], 1, "", [NO_ITEM] * 5, told)
    closer = threading.Thread(target=lane.close)
    closer.start()
    assert {error.code for error in told.wait(5)} == {"worker_stopping"}
    recorder.gate.set()
    closer.join()


def test_a_tenant_that_comes_later_saves_nothing_up_and_pays_nothing_back() -> None:
    queue = FairQueue()
    for n in range(100):
        queue.put([n], 1, "early", [NO_ITEM], NOBODY)
    queue.take(50)
    for n in range(1000, 1010):
        queue.put([n], 1, "late", [NO_ITEM], NOBODY)
    mixed = [taken.items[0] >= 1000 for taken in queue.take(20)]
    assert 9 <= sum(mixed) <= 10
