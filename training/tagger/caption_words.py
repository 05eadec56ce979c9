"""The words of captions: which say something about a photo, which the protocol asks for, which training may not see."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from training.common.datasets.captioned_photos import Photo

LEAST_CAPTIONS = 2  # of a photo's five that must say a word before the protocol believes it
LEAST_PHOTOS = 50  # of the training split, before a word is asked for at all; fewer where there are few photos
ONE_IN = 5  # of the words that could be held out
SUFFIXES = re.compile(r"('s|ing|ings|ed|er|ers|es|s|y|ies|ied|ier)$")
# Words that no photo shows: articles, prepositions, pronouns, conjunctions, forms of "to be". With them left out,
# 132 of Flickr8k's words fulfil the protocol.
FUNCTION_WORDS = frozenset(Path(__file__).with_name("function_words.txt").read_text(encoding="utf-8").split())
# What people may want to find photos by: chosen by hand from Flickr8k's words, Open Images' labels, the classes of
# ImageNet and what WordNet has above them.
PHOTO_LABELS = Path(__file__).with_name("photo_labels.txt")
WHOLE = re.compile(r"[a-z]+(?:[-'][a-z]+)*")


def says_something(word: str) -> bool:
    """Whether a word of a caption can be a label: letters only, two or more, and no function word."""
    return len(word) > 1 and word not in FUNCTION_WORDS and WHOLE.fullmatch(word) is not None


def mentions(photo: Photo) -> Counter[str]:
    """How many of a photo's captions say each word."""
    return Counter(word for caption in photo.captions for word in set(caption))


def photos_with(photos: Iterable[Photo], least: int) -> Counter[str]:
    """In how many photos at least so many captions say a word."""
    return Counter(word for photo in photos for word, count in mentions(photo).items() if count >= least)


def photo_labels() -> list[str]:
    """The labels of the vocabulary "photos", in order."""
    return PHOTO_LABELS.read_text(encoding="utf-8").splitlines()


def least_photos(train: Sequence[Photo]) -> int:
    """How many training photos must have a word that is measured."""
    return min(LEAST_PHOTOS, len(train) // 20 + 1)


def protocol_words(train: Sequence[Photo]) -> list[str]:
    """The words that are measured: said by 2 or more captions of 50 or more training photos; sorted."""
    counts, least = photos_with(train, LEAST_CAPTIONS), least_photos(train)
    return sorted(word for word, count in counts.items() if count >= least and says_something(word))


def held_out_words(train: Sequence[Photo]) -> list[str]:
    """Words that training may not see in any form: about one in five by a hash of the word, none of the protocol's.

    Each is a label that people may want, and is said of 50 training photos or more, which leaves some eight of a
    thousand to measure on.
    """
    measured, wanted = protocol_words(train), set(photo_labels())
    counts, least = photos_with(train, 1), least_photos(train)
    return sorted(
        word
        for word, count in counts.items()
        if count >= least
        and word in wanted
        and hashlib.sha256(word.encode()).digest()[0] % ONE_IN == 0
        and not any(same_family(word, other) for other in measured)
    )


def stem(word: str) -> str:
    """A word without its endings, roughly: what "climb", "climber" and "climbing" have in common."""
    previous = ""
    while word != previous and len(word) > 3:
        previous = word
        shorter = SUFFIXES.sub("", word)
        word = shorter if len(shorter) > 2 else word
    if len(word) > 3 and word[-1] == word[-2]:
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] in "ei" else word


def same_family(one: str, other: str) -> bool:
    """Whether two words are forms of each other or one is built on the other; rather yes than no."""
    a, b = sorted((stem(one), stem(other)), key=len)
    return a == b or (len(a) > 3 and a in b)


class Censor:
    """Takes words out of what training sees, in all their forms."""

    def __init__(self, forbidden: Sequence[str]) -> None:
        self._forbidden = forbidden
        self._known: dict[str, bool] = {}

    def forbids(self, word: str) -> bool:
        """Whether a single word is one of the forbidden, or related to one."""
        if word not in self._known:
            self._known[word] = any(same_family(word, other) for other in self._forbidden)
        return self._known[word]

    def allows(self, label: str) -> bool:
        """Whether no word of a label is forbidden."""
        return not any(self.forbids(word) for word in re.findall(r"[a-z0-9]+", label.lower()))

    def clean(self, caption: Iterable[str]) -> tuple[str, ...]:
        """A caption without the forbidden words."""
        return tuple(word for word in caption if self.allows(word))
