"""How true each label is of each photo, and how much is known of that, over collections that label different things.

A label is true of a photo that has it or a kind of it, and as true as the share of captions that say one. Where a list
is complete, every thing that is not on it is false: whatever some collection gives as a label, and people. A collection
that does not list everything says nothing by leaving a label out: the label is as likely there as it is at large, which
is believed half in a collection that has the label on other photos, and hardly in one that does not know it. So photos
of another kind hold a label's direction back, and never call it false.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.common.captions.content_words import grams
from training.common.datasets.labelled_photos import LabelledPhoto
from training.common.labels.kinds import with_kinds

CAPTIONS = 5  # so many make what they say fully known
LEFT_OUT = 0.5  # how far an absent label is believed to be as likely as in its collection
UNKNOWN = 0.05  # the same for a collection that does not know the label
ELSEWHERE = 0.3  # how many of the photos that nothing is known of are counted as without it, to say how likely it is
# What captions call people, and no collection gives as a label.
PEOPLE = frozenset({
    "people", "man", "men", "woman", "women", "boy", "boys", "girl", "girls", "child", "children", "baby", "toddler",
})  # fmt: skip

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LabelGroup:
    """Labels of which the same is known: their columns, and the weight of each photo, float32 [photos]."""

    columns: NDArray[np.intp]
    weights: Floats


@dataclass(frozen=True, slots=True)
class LabelTargets:
    """Targets of labels for photos.

    Attributes:
        labels: distinct.
        values: how true each is, 0 to 1, float32 [photos, labels].
        rates: how likely each is at large, float32 [labels].
        shown: how many photos show each, float32 [labels].
        groups: which photos count how much, for every label once.
    """

    labels: tuple[str, ...]
    values: Floats
    rates: Floats
    shown: Floats
    groups: tuple[LabelGroup, ...]

    def weights(self) -> Floats:
        """The weight of every photo for every label, float32 [photos, labels]."""
        found = np.zeros_like(self.values)
        for group in self.groups:
            found[:, group.columns] = group.weights[:, None]
        return found


def label_targets(
    photos: Sequence[LabelledPhoto], labels: Sequence[str], is_said: Callable[[str], bool]
) -> LabelTargets:
    """Targets for photos of all collections.

    Args:
        photos: to learn from.
        labels: distinct labels.
        is_said: whether captions may teach a label; of the others they say nothing.
    """
    columns = {label: at for at, label in enumerate(labels)}
    values = _values(photos, columns, is_said)
    patterns: dict[tuple[bool, bool, frozenset[str]], list[int]] = {}
    known_by = _collections(photos)
    for label, column in columns.items():
        where = frozenset(source for source, known in known_by.items() if label in known)
        is_thing = bool(where) or label in PEOPLE
        patterns.setdefault((is_said(label), is_thing, where), []).append(column)
    groups, rates = [], np.zeros(len(labels), np.float32)
    captions = np.array([min(len(p.captions), CAPTIONS) / CAPTIONS for p in photos], np.float32)
    for (said, is_thing, where), found in patterns.items():
        listed = np.array([p.source in where for p in photos])
        whole = np.array([is_thing and p.complete for p in photos])
        weights = np.maximum(captions if said else 0.0, np.where(whole, 1.0, np.where(listed, LEFT_OUT, 0.0)))
        chosen = np.array(found)
        rates[chosen] = weights @ values[:, chosen] / np.maximum(weights, ELSEWHERE).sum()
        silent = (captions == 0 if said else True) & ~whole
        rows = np.flatnonzero(silent)
        block = values[np.ix_(rows, chosen)]
        values[np.ix_(rows, chosen)] = np.where(block > 0, block, rates[chosen])
        groups.append(LabelGroup(chosen, np.maximum(weights, UNKNOWN).astype(np.float32)))
    shown = np.where(values > np.minimum(rates, 0.99), values, 0).sum(axis=0)
    return LabelTargets(tuple(labels), values, rates, shown.astype(np.float32), tuple(groups))


def said(photo: LabelledPhoto) -> Iterable[set[str]]:
    """The words, and the pairs of words side by side, of each caption of a photo, and what these are kinds of."""
    for caption in photo.captions:
        yield with_kinds(grams(caption, 2))


def _values(photos: Sequence[LabelledPhoto], columns: dict[str, int], is_said: Callable[[str], bool]) -> Floats:
    values = np.zeros((len(photos), len(columns)), np.float32)
    for row, photo in zip(values, photos, strict=True):
        for words in said(photo):
            for label in words & columns.keys():
                if is_said(label):
                    row[columns[label]] += 1 / len(photo.captions)
        for label in with_kinds(set(photo.labels)):
            if label in columns:
                row[columns[label]] = 1
    return values


def _collections(photos: Iterable[LabelledPhoto]) -> dict[str, set[str]]:
    """The labels that each collection has on some photo."""
    found: dict[str, set[str]] = {}
    for photo in photos:
        found.setdefault(photo.source, set()).update(with_kinds(set(photo.labels)))
    return found
