"""Which labels a captioner hears about, and how its memory gets the best of them.

Three groups: things are the labels that people gave, words are what captions say, classes are the encoder's. Each has
so many places in the memory and a least score; a place that no label deserves is empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.heads.captions import PAD
from training.common.captions.content_words import is_content_word, photos_with
from training.common.datasets.labelled_photos import LabelledPhoto
from training.common.labels.class_names import read_class_names

WORDS_OF_A_LABEL = 3
LEAST_SHOWN = 20  # photos of a thing
LEAST_SAID = 100  # photos of a word

Floats = NDArray[np.float32]
Ids = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class LabelPlaces:
    """How many labels of a group the memory has room for, and the least score of one."""

    most: int
    least: float


PLACES = {"things": LabelPlaces(8, 0.12), "words": LabelPlaces(5, 0.15), "classes": LabelPlaces(3, 0.25)}
TOTAL = sum(places.most for places in PLACES.values())


@dataclass(frozen=True, slots=True)
class CaptionLabels:
    """The labels of each group, one list behind the other.

    Attributes:
        things, words, classes: of the groups.
    """

    things: tuple[str, ...]
    words: tuple[str, ...]
    classes: tuple[str, ...]

    @property
    def every(self) -> tuple[str, ...]:
        """All labels, in the order of their places."""
        return (*self.things, *self.words, *self.classes)

    def written(self, sayings: Sequence[Sequence[str]]) -> str:
        """The labels as `CaptionSettings.labels` describes them, with the words that say each."""
        groups = [name for (start, end, _), name in zip(self.spans(), PLACES, strict=True) for _ in range(start, end)]
        rows = zip(groups, self.every, sayings, strict=True)
        return "".join(f"{group}\t{label}\t{' '.join(said)}\n" for group, label, said in rows)

    @classmethod
    def read(cls, path: Path) -> CaptionLabels:
        """What `written` has written."""
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        return cls(*(tuple(label for group, label, _ in rows if group == name) for name in PLACES))

    def spans(self) -> list[tuple[int, int, LabelPlaces]]:
        """Where each group begins and ends among all labels, and its places."""
        ends = np.cumsum([0, len(self.things), len(self.words), len(self.classes)])
        return [(int(a), int(b), p) for a, b, p in zip(ends[:-1], ends[1:], PLACES.values(), strict=True)]


def caption_labels_of(photos: Sequence[LabelledPhoto]) -> CaptionLabels:
    """The labels that enough training photos teach."""
    given: dict[str, int] = {}
    for photo in photos:
        for label in photo.labels:
            given[label] = given.get(label, 0) + 1
    things = sorted(label for label, count in given.items() if count >= min(LEAST_SHOWN, len(photos) // 20 + 1))
    least = min(LEAST_SAID, len(photos) // 20 + 1)
    words = sorted(w for w, count in photos_with(photos, 1).items() if count >= least and is_content_word(w))
    return CaptionLabels(tuple(things), tuple(words), tuple(read_class_names()))


def best_labels(scores: Floats, labels: CaptionLabels) -> tuple[Ids, Floats]:
    """The labels that get a place: ids int32 [N, TOTAL], and their scores, 0 where a place is empty.

    Args:
        scores: how likely each label is, [N, labels].
        labels: which these are.
    """
    ids, found = [], []
    for start, end, places in labels.spans():
        group = scores[:, start:end]
        best = np.argsort(-group, axis=1, kind="stable")[:, : places.most]
        values = np.take_along_axis(group, best, axis=1)
        missing = places.most - best.shape[1]
        ids.append(np.pad(best + start, ((0, 0), (0, missing))))
        found.append(np.pad(np.where(values >= places.least, values, 0), ((0, 0), (0, missing))))
    return np.concatenate(ids, axis=1).astype(np.int32), np.concatenate(found, axis=1).astype(np.float32)


def label_word_ids(labels: Sequence[str], words: Sequence[str]) -> Ids:
    """The ids of the words of each label that the vocabulary has, PAD behind: int32 [labels, WORDS_OF_A_LABEL]."""
    known = {word: at for at, word in enumerate(words)}
    found = np.full((len(labels), WORDS_OF_A_LABEL), PAD, np.int32)
    for row, label in zip(found, labels, strict=True):
        ids = [known[word] for word in label.lower().replace("-", " ").split() if word in known][-WORDS_OF_A_LABEL:]
        row[: len(ids)] = ids
    return found
