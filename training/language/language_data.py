"""Words and sentences of three languages, split so that a test word was never seen, with accents or without."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from core.texts.prepare import LATIN_LETTER, normalise, strip_accents
from training.common.datasets.labelled_texts import Example, read_tagged, text_folder, without_duplicates

LANGUAGES = ("en", "fr", "es")
TEST, VALIDATION = range(10), range(10, 15)  # hundredths of the words
PIECE = re.compile(r"\S+")
EDGES = " \t.,;:!?¡¿()[]{}<>«»\"'“”‘’…*/=-–—"
ALWAYS_LEARNT = 1000  # words of each list, at most one in ten
UNCOUNTED = 2.0  # in 1e9 words: a word that a longer list lacks may still be a rare one
MADE_UP_WORDS = (2, 9)  # words in a made-up sentence, the end excluded


@dataclass(frozen=True, slots=True)
class LanguageData:
    """What a language model learns from and is tested on.

    Attributes:
        words: for training.
        frequencies: float32 [words, 3], the word's share of each list's counts.
        common: bool [words], whether it is among the commonest of a list.
        validation, test: words that are in one list only, with their language.
        sentences: for training; words of the validation and test splits were taken out of them.
        more_words: for training, words of longer lists, if there are any.
        more_shares: float32 [more_words, 3], how much of a word's use is in each language; a row's sum is 1.
    """

    words: tuple[str, ...]
    frequencies: NDArray[np.float32]
    common: NDArray[np.bool_]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]
    sentences: tuple[Example, ...]
    more_words: tuple[str, ...]
    more_shares: NDArray[np.float32]


def load_language(data: Path) -> LanguageData:
    """Read words/{en,fr,es}.txt and sentences.tsv of a data folder, and words_more/{en,fr,es}.txt if it is there.

    All spellings of a word that differ only by accents fall into the same split, by a hash of the unaccented one. The
    commonest words of each list are always learnt and never tested: a model must know them. The longer lists (made by
    `training.language.more_words`) are only learnt from; the splits do not depend on them.
    """
    data = text_folder(data)
    lists = [_words(data / "words" / f"{language}.txt") for language in LANGUAGES]
    every = sorted(set().union(*lists))
    counts = np.array([[words.get(word, 0) for words in lists] for word in every], np.float64)
    alone = (counts > 0).sum(axis=1) == 1
    common = {word for words in lists for word in _commonest(words)}
    hundredths = np.array([-1 if word in common else hundredth(word) for word in every])

    def split(part: range) -> tuple[Example, ...]:
        chosen = np.flatnonzero(alone & np.isin(hundredths, part))
        return tuple(Example(every[at], LANGUAGES[counts[at].argmax()]) for at in chosen)

    test, validation = split(TEST), split(VALIDATION)
    hidden = {strip_accents(example.text) for example in (*test, *validation)}
    learnt = np.array([word in common or strip_accents(word) not in hidden for word in every])
    frequencies = counts / counts.sum(axis=0)
    more_words, more_shares = _more(data / "words_more", set(every), hidden)
    return LanguageData(
        words=tuple(every[at] for at in np.flatnonzero(learnt)),
        frequencies=frequencies[learnt].astype(np.float32),
        common=np.array([word in common for word in every])[learnt],
        validation=validation,
        test=test,
        sentences=tuple(_without(read_tagged(data / "sentences.tsv"), hidden)),
        more_words=more_words,
        more_shares=more_shares,
    )


def _more(folder: Path, known: set[str], hidden: set[str]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Words of the longer lists that are neither known nor hidden, nor built on a hidden one ("word's")."""
    if not folder.is_dir():
        return (), np.zeros((0, len(LANGUAGES)), np.float32)
    lists = [_words(folder / f"{language}.txt") for language in LANGUAGES]
    kept = [word for word in sorted(set().union(*lists) - known) if _allowed(word, hidden)]
    counts = np.array([[words.get(word, 0) for words in lists] for word in kept], np.float64) + UNCOUNTED
    return tuple(kept), (counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)


def read_word_counts(path: Path) -> dict[str, int]:
    """A word list, WORD SPACE COUNT a line; forms that are equal when normalised are added up."""
    counts: dict[str, int] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            word, _, count = line.rstrip("\n").rpartition(" ")
            word = normalise(word)
            if word:
                counts[word] = counts.get(word, 0) + int(count)
    return counts


def hundredth(word: str) -> int:
    """Which hundredth of all words a word belongs to: the same for every spelling of it."""
    return crc32(strip_accents(word).encode()) % 100


def _words(path: Path) -> dict[str, int]:
    return {word: count for word, count in read_word_counts(path).items() if LATIN_LETTER.search(word)}


def _commonest(counts: dict[str, int]) -> list[str]:
    return sorted(counts, key=lambda word: -counts[word])[: min(ALWAYS_LEARNT, len(counts) // 10)]


def _without(sentences: Iterable[Example], hidden: set[str]) -> Iterable[Example]:
    """The sentences without words whose unaccented spelling is hidden."""
    for example in without_duplicates(sentences):
        kept = " ".join(piece for piece in PIECE.findall(normalise(example.text)) if _allowed(piece, hidden))
        if LATIN_LETTER.search(kept):
            yield Example(kept, example.label)


def _allowed(piece: str, hidden: set[str]) -> bool:
    """Whether neither a piece of text nor a part of it is hidden."""
    if piece.isalpha():
        return strip_accents(piece) not in hidden
    parts = re.findall(r"\w+", piece)
    return not any(strip_accents(part) in hidden for part in (piece.strip(EDGES), *parts))


def made_up_sentences(data: LanguageData, count: int, random: np.random.Generator) -> list[Example]:
    """Sentences of words of one language, drawn by the root of their frequency, so that common ones are common.

    They teach a network to add up evidence without teaching it what the real sentences talk about.
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
