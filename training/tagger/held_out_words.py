"""Labels that a second tagger may not see in any form, to measure how well labels are ranked that nobody taught."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from training.common.captions.content_words import function_words

# Forty labels of the everyday photos: eight each of rooms, scenes, food, flowers and clothes, the first in the alphabet
# that fifteen photos or more have.
HELD_OUT = Path(__file__).with_name("held_out_labels.txt")
SUFFIXES = re.compile(r"('s|ing|ings|ed|er|ers|es|s|y|ies|ied|ier)$")


@cache
def held_out_labels() -> tuple[str, ...]:
    """The labels that are held out."""
    return tuple(HELD_OUT.read_text(encoding="utf-8").splitlines())


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
        """`held_out`: labels; each of their words is held out but for articles and the like."""
        words = {word for label in held_out for word in _words(label)}
        self._held_out = sorted(words - function_words())
        self._known: dict[str, bool] = {}

    def allows(self, label: str) -> bool:
        """Whether no word of a label is held out."""
        return not any(self._forbids(word) for word in _words(label))

    def _forbids(self, word: str) -> bool:
        if word not in self._known:
            self._known[word] = any(same_family(word, other) for other in self._held_out)
        return self._known[word]


def _words(label: str) -> list[str]:
    return re.findall(r"[a-z0-9]+", label.lower())
