"""Words that training may not see in any form, to measure a tagger on labels that it never met."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

from training.common.datasets.captioned_photos import Photo
from training.tagger.caption_words import least_photos, photos_with, protocol_words
from training.tagger.tag_vocabularies import photo_labels

ONE_IN = 5  # of the words that could be held out
SUFFIXES = re.compile(r"('s|ing|ings|ed|er|ers|es|s|y|ies|ied|ier)$")


def held_out_words(train: Sequence[Photo]) -> list[str]:
    """The words that are held out: about one in five by a hash of the word, none of the protocol's.

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


class HeldOutFilter:
    """Keeps labels with held-out words, in any of their forms, from training."""

    def __init__(self, held_out: Sequence[str]) -> None:
        """`held_out`: the words."""
        self._held_out = held_out
        self._known: dict[str, bool] = {}

    def allows(self, label: str) -> bool:
        """Whether no word of a label is held out."""
        return not any(self._forbids(word) for word in re.findall(r"[a-z0-9]+", label.lower()))

    def _forbids(self, word: str) -> bool:
        if word not in self._known:
            self._known[word] = any(same_family(word, other) for other in self._held_out)
        return self._known[word]
