"""Words and sentences of three languages, split so that a test word was never seen, with accents or without."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from core.text import LATIN_LETTER, normalise, strip_accents
from training.text.datasets import Example, read_tagged, read_word_counts, without_duplicates

LANGUAGES = ("en", "fr", "es")
TEST, VALIDATION = range(10), range(10, 15)  # hundredths of the words
PIECE = re.compile(r"\S+")
EDGES = " \t.,;:!?¡¿()[]{}<>«»\"'“”‘’…*/=-–—"
ALWAYS_LEARNT = 1000  # words of each list, at most one in ten
MADE_UP_WORDS = (2, 9)  # words in a made-up sentence, the end excluded


@dataclass(frozen=True, slots=True)
class LanguageData:
    """What a language model learns from and is tested on.

    Attributes:
        words: for training.
        frequencies: float32 [words, 3], the word's share of each list's counts.
        validation, test: words that are in one list only, with their language.
        sentences: for training; words of the validation and test splits were taken out of them.
    """

    words: tuple[str, ...]
    frequencies: NDArray[np.float32]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    sentences: tuple[Example, ...]


def load_language(data: Path) -> LanguageData:
    """Read words/{en,fr,es}.txt and sentences.tsv below `data`.

    All spellings of a word that differ only by accents fall into the same split, by a hash of the bare spelling. The
    commonest words of each list are always learnt and never tested: no one would ship a model that does not know them.
    """
    lists = [_words(data / "words" / f"{language}.txt") for language in LANGUAGES]
    every = sorted(set().union(*lists))
    counts = np.array([[words.get(word, 0) for words in lists] for word in every], np.float64)
    alone = (counts > 0).sum(axis=1) == 1
    common = {word for words in lists for word in _commonest(words)}
    places = np.array([-1 if word in common else hundredth(word) for word in every])

    def split(part: range) -> tuple[Example, ...]:
        chosen = np.flatnonzero(alone & np.isin(places, part))
        return tuple(Example(every[at], LANGUAGES[counts[at].argmax()]) for at in chosen)

    test, validation = split(TEST), split(VALIDATION)
    hidden = {strip_accents(example.text) for example in (*test, *validation)}
    seen = np.array([word in common or strip_accents(word) not in hidden for word in every])
    frequencies = counts / counts.sum(axis=0)
    return LanguageData(
        words=tuple(every[at] for at in np.flatnonzero(seen)),
        frequencies=frequencies[seen].astype(np.float32),
        validation=validation,
        test=test,
        sentences=tuple(_without(read_tagged(data / "sentences.tsv"), hidden)),
    )


def hundredth(word: str) -> int:
    """Which hundredth of all words a word belongs to: the same for every spelling of it."""
    return crc32(strip_accents(word).encode()) % 100


def _words(path: Path) -> dict[str, int]:
    return {word: count for word, count in read_word_counts(path).items() if LATIN_LETTER.search(word)}


def _commonest(counts: dict[str, int]) -> list[str]:
    return sorted(counts, key=lambda word: -counts[word])[: min(ALWAYS_LEARNT, len(counts) // 10)]


def _without(sentences: Iterable[Example], hidden: set[str]) -> Iterable[Example]:
    """The sentences without words whose bare spelling is hidden."""

    def seen(piece: str) -> bool:
        parts = re.findall(r"\w+", piece)
        return not any(strip_accents(part) in hidden for part in (piece.strip(EDGES), *parts))

    for example in without_duplicates(sentences):
        kept = " ".join(piece for piece in PIECE.findall(normalise(example.text)) if seen(piece))
        if LATIN_LETTER.search(kept):
            yield Example(kept, example.label)


def made_up_sentences(data: LanguageData, count: int, random: np.random.Generator) -> list[Example]:
    """Word salad: words of one language drawn by the root of their frequency, so that common ones are common.

    It teaches a network to add up evidence without teaching it what manual pages talk about.
    """
    made = []
    for column, language in enumerate(LANGUAGES):
        weights = np.sqrt(data.frequencies[:, column].astype(np.float64))
        lengths = random.integers(*MADE_UP_WORDS, size=count // len(LANGUAGES))
        drawn = random.choice(len(weights), size=int(lengths.sum()), p=weights / weights.sum())
        made += [
            Example(" ".join(data.words[at] for at in drawn[end - length : end]), language)
            for end, length in zip(np.cumsum(lengths), lengths, strict=True)
        ]
    return made
