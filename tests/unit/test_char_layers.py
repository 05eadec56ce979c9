"""Networks over characters see n-grams where they are, and padding changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("keras")

import keras

from training.language.char_layers import HASHES, MULTIPLIER, BothWaysGRU, CharReader, WordGRU, gram_ids

KERAS = "ignore:__array__ implementation:DeprecationWarning"
pytestmark = pytest.mark.filterwarnings(KERAS)
WORDS = np.array([[[3, 4, 5, 0, 0, 0], [7, 7, 0, 0, 0, 0]], [[9, 3, 4, 5, 6, 8], [0] * 6]], np.int32)


def hashed(order: int, *ids: int) -> int:
    found = order
    for each in ids:
        found = (found * MULTIPLIER + each) % HASHES
    return found


def numbers(tensor: Any) -> np.ndarray[Any, Any]:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def test_an_n_gram_is_around_its_character() -> None:
    three, four = (numbers(gram_ids(WORDS, order, HASHES)) for order in (3, 4))
    assert three[0, 0].tolist()[:3] == [hashed(3, 0, 3, 4), hashed(3, 3, 4, 5), hashed(3, 4, 5, 0)]
    assert four[1, 0, 5] == hashed(4, 6, 8, 0, 0)
    assert three[0, 0, 1] != three[1, 0, 1]  # "abc" as a word, and within another one: their middles differ by a place
    assert three[0, 0, 1] == three[1, 0, 2]
    assert numbers(gram_ids(WORDS, 3, 64)).max() < 64


def test_hashes_are_exact_in_single_precision() -> None:
    assert (HASHES - 1) * MULTIPLIER + 255 < 1 << 24


def test_n_grams_in_bytes_are_close_to_what_they_were() -> None:
    reader = CharReader(12, 3, (2, 3), 64, 4)
    before = numbers(reader(WORDS))
    assert before.shape == (2, 2, 6, 7)
    assert (before[WORDS == 0] == 0).all()
    reader.fold()
    assert 0 < np.abs(numbers(reader(WORDS)) - before).max() < 1e-3


def test_padding_changes_nothing_for_a_word() -> None:
    keras.utils.set_random_seed(0)
    reader = CharReader(12, 3, (3,), 64, 4)
    gru = WordGRU(5, 6, 0.0)
    found = numbers(gru(reader(WORDS), WORDS))
    assert found.shape == (2, 20)
    more = np.pad(WORDS, ((0, 0), (0, 3), (0, 0)))
    assert np.allclose(numbers(gru(reader(more), more)), found, atol=1e-6)
    alone = np.stack([numbers(gru(reader(WORDS[:1, [at]]), WORDS[:1, [at]]))[0] for at in (0, 1)])
    assert np.allclose(alone.mean(axis=0), found[0], atol=1e-5)  # a text is the mean of its words


def test_the_network_reads_both_ways() -> None:
    keras.utils.set_random_seed(0)
    gru = BothWaysGRU(4, 6, 0.0)
    read = np.random.default_rng(0).normal(size=(1, 6, 3)).astype(np.float32)
    there = np.ones((1, 6, 1), np.float32)
    whole = numbers(gru(read, there))[0]
    there[0, 4:] = 0
    cut = numbers(gru(read * there, there))[0]
    shorter = numbers(gru(np.concatenate([read[:, :4], read[:, 4:] * 99], 1), there))[0]
    assert np.allclose(cut, shorter, atol=1e-6)  # what is behind the end is not read
    assert not np.allclose(cut[:4], whole[:4], atol=1e-3)
    assert not np.allclose(cut[4:8], whole[4:8], atol=1e-3)
    # Each direction by itself: the first character is the last one that the backward network reads.
    other = read.copy()
    other[0, 0] += 1
    changed = np.abs(numbers(gru(other, np.ones((1, 6, 1), np.float32)))[0] - whole)
    assert changed[4:8].max() > changed[:4].max()
