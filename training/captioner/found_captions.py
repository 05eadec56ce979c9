"""Captions for photos that have labels alone: what people said of other photos with the same labels.

Captions that a model writes from labels taught nothing; those that people wrote of the like did.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from training.common.captions.content_words import grams
from training.common.datasets.labelled_photos import LabelledPhoto, LabelledText

CANDIDATES = 40  # captions that are compared
KEPT = 4  # of them, those nearest to what most of them say
LEAST = 0.6  # least similarity of two label sets
LONGEST = 3  # words of a label that captions are searched for
IMAGES = 60  # most images whose captions are compared

Words = tuple[str, ...]


class CaptionFinder:
    """Finds captions by labels among those of images that are not there."""

    def __init__(self, texts: Sequence[LabelledText], labels: Sequence[str]) -> None:
        """`texts`: captions with labels; `labels`: those that count as true of an image also if a caption says them."""
        self._texts = texts
        wanted = frozenset(labels)
        self._sets = [frozenset({*text.labels, *_said(text, wanted)}) for text in texts]
        self._having: dict[str, list[int]] = defaultdict(list)
        for at, found in enumerate(self._sets):
            for label in found:
                self._having[label].append(at)

    def find(
        self, photo: LabelledPhoto, chances: Mapping[str, float], random: np.random.Generator
    ) -> tuple[Words, ...]:
        """Up to KEPT captions that may be true of a photo; none if nothing is like it.

        Images are ranked by Jaccard's similarity of the label sets, in which a label that the photo was not given
        counts as shared as far as it is likely: a bedroom has a bed, though its only label is "bedroom".

        Args:
            photo: with labels.
            chances: how likely other labels are.
            random: decides between images that are as like.
        """
        wanted = set(photo.labels)
        near: Counter[int] = Counter(at for label in wanted for at in self._having.get(label, ()))
        scored = []
        for at, shared in near.items():
            others = self._sets[at] - wanted
            alike = (shared + sum(chances.get(label, 0.0) for label in others)) / (len(wanted) + len(others))
            if alike >= LEAST:
                scored.append((alike, at))
        random.shuffle(scored)
        scored.sort(key=lambda one: -one[0])
        captions = [caption for _, at in scored[:IMAGES] for caption in self._texts[at].captions[:2]][:CANDIDATES]
        return tuple(captions[at] for at in _nearest_to_all(captions)[:KEPT])


def _said(text: LabelledText, wanted: frozenset[str]) -> list[str]:
    """Labels that two captions say, or the only one."""
    counts: Counter[str] = Counter()
    for caption in text.captions:
        counts.update(wanted & grams(caption, LONGEST))
    return [label for label, count in counts.items() if count >= min(2, len(text.captions))]


def _nearest_to_all(captions: Sequence[Words]) -> list[int]:
    """Captions in the order of how much they share with the others: the mean F1 of words and pairs of words."""
    bags = [Counter([*caption, *pairwise(caption)]) for caption in captions]
    sizes = [sum(bag.values()) for bag in bags]

    def shared(a: int, b: int) -> float:
        return 2 * sum((bags[a] & bags[b]).values()) / max(sizes[a] + sizes[b], 1)

    scores = [sum(shared(a, b) for b in range(len(bags)) if b != a) for a in range(len(bags))]
    return sorted(range(len(bags)), key=lambda at: -scores[at])
