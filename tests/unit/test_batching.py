"""The inference lane: order, isolation, and that no future is left hanging."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import ItemError
from worker.inference.batching import Lane

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
        assert self.gate.wait(30)
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
    assert recorder.entered.wait(30)


def test_results_belong_to_their_items(lane: Lane) -> None:
    futures = [lane.submit(_number(n), 1) for n in range(100, 150)]
    assert [future.result(30) for future in futures] == [2 * n for n in range(100, 150)]


def test_a_full_queue_leaves_in_full_batches(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    futures = [lane.submit(_number(n), 1) for n in range(20, 36)]
    recorder.gate.set()
    for future in futures:
        future.result(30)
    assert [len(batch) for batch in recorder.batches] == [1, 8, 8]


def test_interactive_items_overtake_bulk_ones(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    bulk = [lane.submit(_number(n), 1) for n in range(20, 30)]
    quick = [lane.submit(_number(n), 0) for n in range(30, 33)]
    recorder.gate.set()
    for future in bulk + quick:
        future.result(30)
    assert recorder.batches[1] == [30, 31, 32, 20, 21, 22, 23, 24]


def test_a_bad_item_fails_alone(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    futures = {n: lane.submit(_number(n), 1) for n in range(10, 18)}
    recorder.gate.set()
    for n, future in futures.items():
        if n == BAD:
            with pytest.raises(ItemError) as caught:
                future.result(30)
            assert caught.value.code == "inference_failed"
        else:
            assert future.result(30) == 2 * n


def test_a_cancelled_item_costs_nothing(lane: Lane, recorder: Recorder) -> None:
    _hold(lane, recorder)
    dropped, kept = lane.submit(_number(50), 1), lane.submit(_number(51), 1)
    assert dropped.cancel()
    recorder.gate.set()
    assert kept.result(30) == 102
    assert recorder.batches == [[0], [51]]


def test_results_of_another_length_are_an_error_of_each_item() -> None:
    lane = Lane(lambda batch: [], batch_size=4, streams=1, name="short")
    with pytest.raises(ItemError):
        lane.submit(_number(1), 0).result(30)
    lane.close()


def test_closing_resolves_whatever_waits(recorder: Recorder) -> None:
    lane = Lane(recorder, batch_size=4, streams=1, name="closing")
    _hold(lane, recorder)
    waiting = lane.submit(_number(1), 0)
    closer = threading.Thread(target=lane.close)
    closer.start()
    with pytest.raises(ItemError) as caught:
        waiting.result(30)
    assert caught.value.code == "worker_stopping"
    recorder.gate.set()
    closer.join()
    with pytest.raises(ItemError):
        lane.submit(_number(2), 0)
