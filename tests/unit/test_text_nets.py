"""Tables in bytes say what the weights said, small tables keep padding, and a learning rate falls twice."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from core.texts.prepare import pad_batch
from training.common.learning_rates import TwoLinearDecays
from training.common.texts.text_layers import Bag, ByteTable, ConvPool
from training.language.language_nets import RehashIds

KERAS = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(KERAS)
IDS = pad_batch([np.array([1, 5, 9], np.int32), np.array([63], np.int32)], 5)


def test_bytes_are_close_to_what_they_stand_for() -> None:
    table = np.random.default_rng(0).standard_t(3, (1000, 4)).astype(np.float32)
    table[0], table[1, 2] = 0, -50
    found = np.asarray(ByteTable(table).take(np.arange(1000)))
    assert (found[0] == 0).all()
    assert found[1, 2] == pytest.approx(-50, rel=1e-6)
    error = np.abs(found - table)
    # The square root of a number is half a step wrong at most, so the number by a step times its root.
    assert (error <= np.sqrt(np.abs(table) * np.abs(table).max(axis=0)) / 127 + 1e-3).all()
    assert (np.asarray(ByteTable(np.zeros((3, 1), np.float32)).take(np.array([2]))) == 0).all()


@pytest.mark.parametrize("layer", [Bag(np.ones(64, np.float32), 3, start=None), ConvPool(64, 8, {2: 4}, 0.0, True)])
def test_folding_changes_next_to_nothing(layer: keras.layers.Layer) -> None:
    before = np.asarray(layer(IDS))
    layer.fold()
    assert np.abs(np.asarray(layer(IDS)) - before).max() < 0.01
    longer = np.pad(IDS, ((0, 0), (0, 7)))
    assert np.allclose(np.asarray(layer(longer)), np.asarray(layer(IDS)), atol=1e-6)


def test_fewer_buckets_keep_the_padding() -> None:
    found = np.asarray(RehashIds(8)(np.array([[0, 1, 7, 8, 9, 1 << 20]], np.int32)))
    assert found.tolist() == [[0, 1, 7, 1, 2, 1 + ((1 << 20) - 1) % 7]]


def test_a_rate_falls_twice() -> None:
    rate = TwoLinearDecays(1.0, 10, 0.5, 5)
    found = [float(rate(np.array(step))) for step in (0, 5, 9, 10, 12, 15, 99)]
    assert found == pytest.approx([1.0, 0.5, 0.1, 0.5, 0.3, 0.0, 0.0], abs=1e-6)
