"""Beam search over a decoder that is asked for one word at a time, for a whole batch at once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
# (tokens int32 [P, K], parents [P, K], photos [P], position) -> log probabilities float32 [P, K, words].
# `photos` are rows of the P of the call before; `parents` say, within a photo, which beam of the call before each goes
# on from.
Step = Callable[[NDArray[np.int32], NDArray[np.intp], NDArray[np.intp], int], Floats]


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked of a search.

    Attributes:
        beam_size: sentences kept at every word.
        max_words: longest sentence, its end not counted.
        candidates: finished sentences returned, at most beam_size.
        length_penalty: finished sentences are ranked by log probability / length ** penalty (Wu et al., 2016,
            arXiv:1609.08144, without the constants).
        start, end: ids of these words.
    """

    beam_size: int
    max_words: int
    candidates: int = 1
    length_penalty: float = 1.0
    start: int = 1
    end: int = 2


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A sentence without start and end. `rank` is what sentences of one photo are compared by."""

    rank: float
    log_probability: float
    tokens: tuple[int, ...]


def beam_search(step: Step, batch: int, search: Search) -> list[list[Hypothesis]]:
    """Search all photos of a batch together; one that is finished leaves, and none depends on the others.

    A photo is finished when it has as many sentences as beams, and no open beam would rank among the best of these if
    it ended now at no cost.

    Returns:
        For each photo up to `candidates` sentences, best first.
    """
    beams, end = search.beam_size, search.end
    done: list[list[Hypothesis]] = [[] for _ in range(batch)]
    rows: NDArray[np.intp] = np.arange(batch)  # the photos still searched; `kept` says which of the step before
    kept = rows
    scores: NDArray[np.float64] = np.full((batch, beams), -np.inf)
    scores[:, 0] = 0.0  # all beams are the same at first: only one may go on
    tokens: NDArray[np.int32] = np.full((batch, beams), search.start, np.int32)
    parents: NDArray[np.intp] = np.zeros((batch, beams), np.intp)
    history: NDArray[np.int32] = np.zeros((batch, beams, 0), np.int32)
    for position in range(search.max_words + 1):
        words = step(tokens, parents, kept, position)
        if position == search.max_words:
            words[..., np.arange(words.shape[-1]) != end] = -np.inf
        ranked, origins, chosen = _best(scores, words, 2 * beams)
        for photo, rank in zip(*np.nonzero((chosen == end)[:, :beams] & np.isfinite(ranked[:, :beams])), strict=True):
            sentence = tuple(int(token) for token in history[photo, origins[photo, rank]])
            done[rows[photo]].append(_hypothesis(sentence, float(ranked[photo, rank]), search))
        # At most one beam in two ends here, so of twice as many candidates enough go on.
        alive = np.argsort(chosen == end, axis=1, kind="stable")[:, :beams]
        scores = np.take_along_axis(ranked, alive, axis=1)
        parents = np.take_along_axis(origins, alive, axis=1)
        tokens = np.take_along_axis(chosen, alive, axis=1)
        history = np.concatenate([np.take_along_axis(history, parents[..., None], axis=1), tokens[..., None]], axis=2)
        kept = np.flatnonzero([_goes_on(done[row], scores[at, 0], position, search) for at, row in enumerate(rows)])
        if not len(kept):
            break
        rows, scores, history = rows[kept], scores[kept], history[kept]
        parents, tokens = parents[kept], tokens[kept]
    return [sorted(found, key=lambda one: -one.rank)[: search.candidates] for found in done]


def _best(
    scores: NDArray[np.float64], words: Floats, count: int
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.int32]]:
    """The likeliest continuations of each photo, best first: scores, beams they go on from, and words, [P, count].

    None of them is behind the first `count` words of its own beam, so only these are compared.
    """
    photos, beams, vocabulary = words.shape
    each = min(count, vocabulary)
    values, likely = _largest(words.reshape(-1, vocabulary), each)
    total = (scores[:, :, None] + values.reshape(photos, beams, each)).reshape(photos, -1)
    order = np.argsort(-total, axis=1, kind="stable")[:, :count]
    chosen = np.take_along_axis(likely.reshape(photos, -1), order, axis=1)
    return np.take_along_axis(total, order, axis=1), order // each, chosen.astype(np.int32)


def _largest(rows: Floats, count: int) -> tuple[Floats, NDArray[np.intp]]:
    """The largest numbers of each row, in the order of the row, and their places, [rows, count]; of equal ones the
    first. Where fewer are finite, -inf fills up, with places of no meaning.

    Words are many, so all of them are only compared once, with a number that few of them reach.
    """
    height, width = rows.shape
    parts = min(width, 8 * count)
    # As many parts of a row have a number that is not less than this, so as many numbers have.
    tops = rows[:, : width - width % parts].reshape(height, -1, parts).max(axis=1)
    least = np.partition(tops, -count, axis=1)[:, -count]
    few = np.flatnonzero(rows >= np.maximum(least, np.finfo(rows.dtype).min)[:, None])
    row, place = np.divmod(few, width)
    found = np.bincount(row, minlength=height)
    at = np.arange(len(few)) - np.repeat(np.cumsum(found) - found, found)
    values = np.full((height, max(count, int(found.max()))), -np.inf, rows.dtype)
    places = np.zeros(values.shape, np.intp)
    values[row, at], places[row, at] = rows.reshape(-1)[few], place
    kept = np.sort(np.argsort(-values, axis=1, kind="stable")[:, :count], axis=1)
    return np.take_along_axis(values, kept, axis=1), np.take_along_axis(places, kept, axis=1)


def _hypothesis(tokens: tuple[int, ...], score: float, search: Search) -> Hypothesis:
    return Hypothesis(score / (len(tokens) + 1) ** search.length_penalty, score, tokens)


def _goes_on(done: list[Hypothesis], best: float, position: int, search: Search) -> bool:
    """Whether a photo is not finished: too few sentences, or an open beam that would be one of the best if it ended.

    With a length penalty a much longer sentence might still rank higher; the search does not wait for those.
    """
    if position == search.max_words:
        return False
    if len(done) < search.beam_size:
        return True
    worst = sorted(one.rank for one in done)[-search.beam_size]
    return bool(best / (position + 2) ** search.length_penalty > worst)
