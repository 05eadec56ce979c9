"""What a caption's search is told beside the decoder's probabilities: say nothing twice, and what is surely there.

No word of content comes twice. Labels that are sure raise the words that say them, until one of these has been said;
the probabilities stay probabilities. That is soft: constraints that must hold make sentences that nobody would write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]
NO_WORD = 0  # the id of padding, which no sentence has


@dataclass(frozen=True, slots=True)
class BiasRules:
    """What an artefact says of the words and labels that it knows.

    Attributes:
        once: whether a word may come once only, bool [words].
        sayings: for each label the ids of the words that say it, NO_WORD behind, int32 [labels, M]; none for a label
            that is not raised.
        nats: how much a sure label is raised.
        least: score from which a label is raised, and
        full: from which it is raised as much as can be.
        most: labels of a photo that are raised.
    """

    once: NDArray[np.bool_]
    sayings: Ids
    nats: float
    least: float
    full: float
    most: int


class WordBias:
    """The bias for the photos of a search, which follows its beams."""

    def __init__(self, rules: BiasRules, labels: Ids, scores: Floats, beams: int) -> None:
        """Choose what is raised.

        Args:
            rules: of the artefact.
            labels: of each photo, int32 [N, M].
            scores: of these, float32 [N, M]; 0 where there is no label.
            beams: of the search.
        """
        self._once = rules.once
        self._tokens, self._amounts = _raised(rules, labels, scores)
        self._said: Ids = np.zeros((len(labels), beams, 0), np.int32)

    def follow(self, tokens: Ids, parents: NDArray[np.intp], photos: NDArray[np.intp]) -> None:
        """Go on from these beams with these words, [photos, beams]; `photos` are those of the step before that stay."""
        self._tokens, self._amounts = self._tokens[photos], self._amounts[photos]
        earlier = np.take_along_axis(self._said[photos], parents[:, :, None], axis=1)
        self._said = np.concatenate([earlier, tokens[:, :, None]], axis=2)

    def apply(self, scores: Floats) -> Floats:
        """Log-probabilities of next words, [photos, beams, words], with the bias; changed in place."""
        if self._tokens.size:
            self._raise(scores)
        forbidden = np.where(self._once[self._said], self._said, NO_WORD)
        np.put_along_axis(scores, forbidden, -np.inf, axis=2)
        return scores

    def _raise(self, scores: Floats) -> None:
        said = (self._tokens[:, None, :, :, None] == self._said[:, :, None, None, :]) & (
            self._tokens[:, None, :, :, None] != NO_WORD
        )
        open_ = ~said.any(axis=(3, 4))  # [photos, beams, labels]
        amounts = np.where(open_, self._amounts[:, None], 0)[..., None]
        photos, labels, words = self._tokens.shape
        beams = scores.shape[1]
        wide: Any = np.broadcast_to(amounts, (photos, beams, labels, words)).reshape(photos, beams, -1)
        places = np.broadcast_to(self._tokens.reshape(photos, 1, -1), wide.shape)
        now = np.take_along_axis(scores, places, axis=2)
        there = places != NO_WORD
        # What is raised is taken from all other words: the sum of the probabilities stays 1.
        total = np.log1p((np.where(there, np.exp(now) * np.expm1(wide), 0)).sum(axis=2, keepdims=True))
        np.put_along_axis(scores, places, np.where(there, now + wide, -np.inf), axis=2)
        scores -= total


def _raised(rules: BiasRules, labels: Ids, scores: Floats) -> tuple[Ids, Floats]:
    """The words of the surest labels of each photo, each word once, int32 [N, most, M], and how much, [N, most]."""
    width = rules.sayings.shape[1]
    tokens = np.zeros((len(labels), rules.most, width), np.int32)
    amounts = np.zeros((len(labels), rules.most), np.float32)
    for row, (own, sure) in enumerate(zip(labels, scores, strict=True)):
        taken: set[int] = set()
        at = 0
        for place in np.argsort(-sure, kind="stable"):
            words = [int(word) for word in rules.sayings[own[place]] if word != NO_WORD]
            if sure[place] < rules.least or at == rules.most:
                break
            if not words or taken & set(words):
                continue
            taken |= set(words)
            tokens[row, at, : len(words)] = words
            amounts[row, at] = rules.nats * min(1.0, sure[place] / rules.full)
            at += 1
    return tokens, amounts


def sayings_of(rows: Sequence[Sequence[int]]) -> Ids:
    """Ids of words by label as one array, NO_WORD behind."""
    width = max([1, *(len(row) for row in rows)])
    found = np.full((len(rows), width), NO_WORD, np.int32)
    for at, row in enumerate(rows):
        found[at, : len(row)] = row
    return found
