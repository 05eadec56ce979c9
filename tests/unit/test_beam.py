"""Beam search: as good as trying every sentence, as a plain search photo by photo, and blind to its neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray

from core.heads.beam import Hypothesis, Search, _largest, beam_search

START, END, WORDS = 1, 2, (4, 5, 6)
SIZE = 7


class Language:
    """What comes next depends on the photo and on every word before; a beam is known by what it has said so far."""

    def __init__(self, photos: list[int], flat: bool = False, hasty: tuple[int, ...] = ()) -> None:
        self._photos, self._flat, self._hasty = photos, flat, hasty
        self._said: list[list[tuple[int, ...]]] = []
        self.asked: list[int] = []  # photos in each call

    def __call__(
        self, tokens: NDArray[np.int32], parents: NDArray[np.intp], photos: NDArray[np.intp], position: int
    ) -> NDArray[np.float32]:
        self.asked.append(len(photos))
        self._photos = [self._photos[at] for at in photos]
        before = [self._said[at] for at in photos] if position else [[()] * tokens.shape[1] for _ in photos]
        self._said = [
            [(*old[parent], int(token)) for parent, token in zip(whose, row, strict=True)]
            for old, whose, row in zip(before, parents, tokens, strict=True)
        ]
        rows = [
            [self.after(photo, said) for said in beams] for photo, beams in zip(self._photos, self._said, strict=True)
        ]
        return np.array(rows, np.float32)

    def after(self, photo: int, said: tuple[int, ...]) -> NDArray[np.float32]:
        """Log probabilities of the next word; `said` begins with the start."""
        chances = np.zeros(SIZE)
        chances[[END, *WORDS]] = 1.0 if self._flat else np.random.default_rng([photo, *said]).gamma(0.7, size=4) + 1e-3
        if photo in self._hasty and len(said) > 1:
            chances[END] = 500 * chances.sum()
        with np.errstate(divide="ignore"):
            scores: NDArray[np.float32] = np.log(chances / chances.sum()).astype(np.float32)
        return scores

    def every_sentence(self, photo: int, search: Search) -> Iterator[Hypothesis]:
        for length in range(search.max_words + 1):
            for words in product(WORDS, repeat=length):
                whole = (START, *words, END)
                score = sum(float(self.after(photo, whole[:at])[whole[at]]) for at in range(1, len(whole)))
                yield Hypothesis(score / (length + 1) ** search.length_penalty, score, words)


def plain_search(language: Language, photo: int, search: Search) -> list[Hypothesis]:
    """The same search, for one photo, with lists."""
    beams: list[tuple[float, tuple[int, ...]]] = [(0.0, (START,))]
    done: list[Hypothesis] = []
    for position in range(search.max_words + 1):
        ends = position == search.max_words
        grown = [
            (score + float(chance), (*said, word))
            for score, said in beams
            for word, chance in enumerate(language.after(photo, said))
            if np.isfinite(chance) and (word == END or not ends)
        ]
        grown.sort(key=lambda pair: -pair[0])
        for score, said in grown[: search.beam_size]:
            if said[-1] == END:
                rank = score / (len(said) - 1) ** search.length_penalty
                done.append(Hypothesis(rank, score, said[1:-1]))
        beams = [pair for pair in grown[: 2 * search.beam_size] if pair[1][-1] != END][: search.beam_size]
        done.sort(key=lambda one: -one.rank)
        full = len(done) >= search.beam_size
        if not beams or (
            full and beams[0][0] / (position + 2) ** search.length_penalty <= done[search.beam_size - 1].rank
        ):
            break
    return done[: search.candidates]


def same(found: list[Hypothesis], wanted: list[Hypothesis]) -> None:
    assert [one.tokens for one in found] == [one.tokens for one in wanted]
    assert [one.rank for one in found] == pytest.approx([one.rank for one in wanted], rel=1e-6)
    assert [one.log_probability for one in found] == pytest.approx([o.log_probability for o in wanted], rel=1e-6)


@pytest.mark.parametrize("penalty", [0.0, 1.0, 1.5])
def test_with_room_for_all_it_finds_the_best_of_all_sentences(penalty: float) -> None:
    search = Search(beam_size=40, max_words=3, candidates=5, length_penalty=penalty)
    photos = list(range(8))
    for photo, found in zip(photos, beam_search(Language(photos), len(photos), search), strict=True):
        every = sorted(Language([]).every_sentence(photo, search), key=lambda one: -one.rank)
        same(found, every[:5])


@pytest.mark.parametrize("beams", [1, 2, 3, 5])
@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_a_batch_is_searched_as_each_photo_alone_and_as_plainly(beams: int, penalty: float) -> None:
    search = Search(beam_size=beams, max_words=6, candidates=beams, length_penalty=penalty)
    photos = list(range(20, 50))
    together = beam_search(Language(photos), len(photos), search)
    for photo, found in zip(photos, together, strict=True):
        assert found == beam_search(Language([photo]), 1, search)[0]
        same(found, plain_search(Language([]), photo, search))


@pytest.mark.parametrize("flat", [False, True])
def test_sentences_are_sorted_different_and_short_enough(flat: bool) -> None:
    search = Search(beam_size=4, max_words=3, candidates=3)
    for found in beam_search(Language(list(range(9)), flat), 9, search):
        assert 1 <= len(found) <= 3
        assert [one.rank for one in found] == sorted((one.rank for one in found), reverse=True)
        assert len({one.tokens for one in found}) == len(found)
        assert all(len(one.tokens) <= 3 and set(one.tokens) <= set(WORDS) for one in found)
        assert all(one.rank == one.log_probability / (len(one.tokens) + 1) for one in found)
    assert all(len(found) == 3 for found in beam_search(Language([3]), 1, search))


def test_a_finished_photo_leaves() -> None:
    search = Search(beam_size=2, max_words=9)
    language = Language([1, 2, 3, 4], hasty=(2, 4))
    beam_search(language, 4, search)
    assert language.asked[0] == 4
    assert language.asked == sorted(language.asked, reverse=True)
    assert 2 in language.asked
    alone = Language([2], hasty=(2,))
    beam_search(alone, 1, search)
    assert len(alone.asked) < len(language.asked) <= 10


def test_equal_scores_are_taken_in_the_order_of_the_words() -> None:
    search = Search(beam_size=2, max_words=2, candidates=2, length_penalty=0.0)
    first, *others = beam_search(Language([1, 2, 3], flat=True), 3, search)
    assert others == [first, first]
    assert first[0].tokens == ()
    assert first[1].tokens == WORDS[:1]
    again = beam_search(Language([9], flat=True), 1, search)[0]
    assert again == first


def test_no_words_at_all_is_a_sentence_too() -> None:
    assert beam_search(Language([1]), 1, Search(beam_size=3, max_words=0))[0][0].tokens == ()


@pytest.mark.parametrize("width", [2, 7, 64, 100, 1000])
@pytest.mark.parametrize("count", [2, 8, 16])
@pytest.mark.parametrize("digits", [1, 7])  # with one digit most numbers are there several times, as in bfloat16
def test_the_largest_of_many_are_those_that_sorting_finds_and_of_equal_ones_the_first(
    width: int, count: int, digits: int
) -> None:
    count = min(count, width)
    rows = np.random.default_rng(width).normal(size=(40, width)).round(digits).astype(np.float32)
    rows[::3, :: max(2, width // 3)] = -np.inf
    rows[5], rows[6, 1:], rows[7] = 0.5, -np.inf, -np.inf
    values, places = _largest(rows, count)
    for row, found, where in zip(rows, values, places, strict=True):
        wanted = np.argsort(-row, kind="stable")[:count]
        wanted = np.sort(wanted[np.isfinite(row[wanted])])
        assert where[: len(wanted)].tolist() == wanted.tolist()
        assert found[: len(wanted)].tolist() == row[wanted].tolist()
        assert np.isneginf(found[len(wanted) :]).all()
