"""The linear member's weights are the best ones, and an n-gram that nobody kept has none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from core.texts.prepare import pad_batch
from training.common.texts.checked_table import CheckedBag, owners, rows_of
from training.sentiment.gram_weights import gram_weights, minimise
from training.sentiment.sentiment_grams import linear_grams, log_count_ratio
from training.sentiment.sentiment_plan import LinearGrams

KERAS = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(KERAS)
SLOTS = 1 << 8
BUCKETS = 1 << 30


def numbers(tensor: Any) -> np.ndarray[Any, Any]:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def made_up(random: np.random.Generator, texts: int = 300) -> tuple[list[np.ndarray[Any, Any]], np.ndarray[Any, Any]]:
    """Texts of n-grams among 20 ids all over the range, and whether the first five outweigh the next five."""
    ids = random.integers(1, BUCKETS, 20).astype(np.int32)
    chosen = [random.permutation(20)[: random.integers(3, 12)] for _ in range(texts)]
    good = np.array([(some < 5).sum() >= ((some >= 5) & (some < 10)).sum() for some in chosen])
    return [ids[some] for some in chosen], good


def test_the_least_value_is_found() -> None:
    matrix = np.diag([1.0, 10.0, 1000.0])
    found = minimise(lambda at: (float((at - 1) @ matrix @ (at - 1)), 2 * matrix @ (at - 1)), np.zeros(3), 60)
    assert found == pytest.approx(1, abs=1e-4)


def test_no_other_weights_are_better() -> None:
    random = np.random.default_rng(0)
    texts, good = made_up(random)
    ids = np.unique(np.concatenate(texts))
    rows = [np.searchsorted(ids, text).astype(np.int32) for text in texts]
    scale = random.normal(size=len(ids))
    scale[3] = 0
    weights = gram_weights(rows, good, scale, 0.1, 200)
    assert weights[3] == 0

    def loss(weights: np.ndarray[Any, Any]) -> float:
        sums = np.array([(scale * weights[:-1])[row].sum() / np.sqrt(len(row)) for row in rows]) + weights[-1]
        return float(np.logaddexp(0, np.where(good, -sums, sums)).sum() + 0.05 * (weights[:-1] ** 2).sum())

    least = loss(weights)
    assert least < loss(np.zeros_like(weights)) - 50
    for _ in range(20):
        other = weights + random.normal(size=weights.shape) * 0.05
        other[3] = 0
        assert loss(other) > least - 1e-3


def test_the_commonest_owns_a_row_and_strangers_have_none() -> None:
    ids = np.array([5, 5 + SLOTS, 5 + 2 * SLOTS, 77], np.int32)
    owned = owners(ids, np.array([2, 9, 3, 1]), SLOTS)
    assert owned[5] == 5 + SLOTS
    assert rows_of(np.array([*ids, 6], np.int32), owned).tolist() == [SLOTS, 5, SLOTS, 77, SLOTS]
    bag = CheckedBag(owned, np.full(SLOTS, 2.0, np.float32), 0.5)
    found = numbers(bag(np.array([[5, 6, 0], [5 + SLOTS, 6, 0], [5 + SLOTS, 77, 0]], np.int32)))[:, 0]
    assert found == pytest.approx([0.5, 0.5 + 2 / 2**0.5, 0.5 + 4 / 2**0.5], abs=1e-5)


def test_the_layer_says_what_was_solved() -> None:
    texts, good = made_up(np.random.default_rng(1))
    items = [np.stack([np.ones_like(text), text], 1) for text in texts]
    bag = linear_grams(items, good, LinearGrams(slots=SLOTS, least_count=1, ridge=0.01, passes=100))
    logits = numbers(bag(pad_batch(texts)))[:, 0]
    assert ((logits > 0) == good).mean() > 0.95
    rare = linear_grams(items, good, LinearGrams(slots=SLOTS, least_count=10_000, ridge=0.01, passes=5))
    assert len(np.unique(numbers(rare(pad_batch(texts))).round(5))) == 1


def test_log_count_ratio() -> None:
    rows = [np.array([1, 2, 4], np.int32), np.array([1, 4], np.int32)]
    ratio = log_count_ratio(rows, np.array([True, False]), 4)
    assert ratio[0] == ratio[3] == ratio[4] == 0
    assert ratio[2] > ratio[1]
