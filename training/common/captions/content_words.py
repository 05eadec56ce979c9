"""The words of captions that can be labels, and the protocol by which labels are measured on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Protocol

LEAST_CAPTIONS = 2  # of a photo's five that must say a word for the protocol to count it as true
LEAST_PHOTOS = 50  # of the training split, for a word to be measured at all; fewer where there are few photos
# Words that no photo shows: articles, prepositions, pronouns, conjunctions, forms of "to be". With them left out,
# 132 of Flickr8k's words fulfil the protocol.
FUNCTION_WORDS = Path(__file__).with_name("function_words.txt")
WORD = re.compile(r"[a-z]+(?:[-'][a-z]+)*")


class Captioned(Protocol):
    """Anything with captions, each as words."""

    @property
    def captions(self) -> tuple[tuple[str, ...], ...]:
        """What people said."""


@cache
def function_words() -> frozenset[str]:
    """The words that are never labels."""
    return frozenset(FUNCTION_WORDS.read_text(encoding="utf-8").split())


def is_content_word(word: str) -> bool:
    """Whether a word of a caption can be a label: letters only, two or more, and no function word."""
    return len(word) > 1 and word not in function_words() and WORD.fullmatch(word) is not None


def captions_per_word(photo: Captioned) -> Counter[str]:
    """How many of a photo's captions have each word."""
    return Counter(word for caption in photo.captions for word in set(caption))


def photos_with(photos: Iterable[Captioned], least: int) -> Counter[str]:
    """In how many photos at least so many captions have a word."""
    return Counter(word for photo in photos for word, count in captions_per_word(photo).items() if count >= least)


def protocol_words(train: Sequence[Captioned]) -> list[str]:
    """The words that are measured: in 2 or more captions of 50 or more training photos; sorted."""
    counts, least = photos_with(train, LEAST_CAPTIONS), min(LEAST_PHOTOS, len(train) // 20 + 1)
    return sorted(word for word, count in counts.items() if count >= least and is_content_word(word))


def grams(caption: Sequence[str], longest: int) -> set[str]:
    """The words, and the runs of words side by side up to so many, of a caption; with spaces between."""
    return {
        " ".join(caption[at : at + length])
        for length in range(1, longest + 1)
        for at in range(len(caption) - length + 1)
    }


def content_pairs(caption: Sequence[str]) -> set[str]:
    """Two content words that stand side by side, with a space between."""
    return {f"{a} {b}" for a, b in pairwise(caption) if is_content_word(a) and is_content_word(b)}
