"""The words of captions that can be labels, and the protocol by which a tagger is measured on them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from training.common.datasets.captioned_photos import Photo

LEAST_CAPTIONS = 2  # of a photo's five that must say a word for the protocol to count it as true
LEAST_PHOTOS = 50  # of the training split, for a word to be measured at all; fewer where there are few photos
# Words that no photo shows: articles, prepositions, pronouns, conjunctions, forms of "to be". With them left out,
# 132 of Flickr8k's words fulfil the protocol.
FUNCTION_WORDS = Path(__file__).with_name("function_words.txt")
WORD = re.compile(r"[a-z]+(?:[-'][a-z]+)*")


@cache
def function_words() -> frozenset[str]:
    """The words that are never labels."""
    return frozenset(FUNCTION_WORDS.read_text(encoding="utf-8").split())


def is_content_word(word: str) -> bool:
    """Whether a word of a caption can be a label: letters only, two or more, and no function word."""
    return len(word) > 1 and word not in function_words() and WORD.fullmatch(word) is not None


def captions_per_word(photo: Photo) -> Counter[str]:
    """How many of a photo's captions have each word."""
    return Counter(word for caption in photo.captions for word in set(caption))


def photos_with(photos: Iterable[Photo], least: int) -> Counter[str]:
    """In how many photos at least so many captions have a word."""
    return Counter(word for photo in photos for word, count in captions_per_word(photo).items() if count >= least)


def least_photos(train: Sequence[Photo]) -> int:
    """How many training photos must have a word that is measured."""
    return min(LEAST_PHOTOS, len(train) // 20 + 1)


def protocol_words(train: Sequence[Photo]) -> list[str]:
    """The words that are measured: in 2 or more captions of 50 or more training photos; sorted."""
    counts, least = photos_with(train, LEAST_CAPTIONS), least_photos(train)
    return sorted(word for word, count in counts.items() if count >= least and is_content_word(word))
