"""What a tagger learns from: which labels people gave photos in their captions, and what the classifier says."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.common.datasets.captioned_photos import Photo
from training.tagger.caption_words import Censor, held_out_words, photos_with, says_something

CLASSES = Path(__file__).with_name("imagenet_labels.csv")
Counts = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ClassLabels:
    """Labels for the encoder's classes, and for what is above them in WordNet ("dog" above every breed).

    Attributes:
        names: of the classes, in order.
        labels: distinct labels.
        members: 1 where a label is true of a class, float32 [classes, labels].
        allowed: whether a class's own name is, bool [classes]; of the others training does not get to know the name.
    """

    names: tuple[str, ...]
    labels: tuple[str, ...]
    members: NDArray[np.float32]
    allowed: NDArray[np.bool_]


def read_class_labels(allows: Censor | None = None, path: Path = CLASSES) -> ClassLabels:
    """The labels of ImageNet's classes; only those that the censor allows."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = [(row["label"], [row["label"], *filter(None, row["above"].split(";"))]) for row in csv.DictReader(file)]
    labels = sorted({label for _, true in rows for label in true if allows is None or allows.allows(label)})
    places = {label: at for at, label in enumerate(labels)}
    members = np.zeros((len(rows), len(labels)), np.float32)
    for at, (_, true) in enumerate(rows):
        members[at, [places[label] for label in true if label in places]] = 1
    names = tuple(name for name, _ in rows)
    return ClassLabels(names, tuple(labels), members, np.array([name in places for name in names]))


def caption_labels(train: Sequence[Photo], censor: Censor, words: int, phrases: int) -> list[str]:
    """The words and pairs of words that are learnt, the commonest first.

    Args:
        train: the training photos.
        censor: what is kept from training.
        words: least photos of a word.
        phrases: least photos of two words that stand side by side.
    """
    single = photos_with(train, 1)
    pairs = Counter(pair for photo in train for pair in {p for caption in photo.captions for p in _pairs(caption)})
    found = [word for word, count in single.most_common() if count >= words and says_something(word)]
    found += [pair for pair, count in pairs.most_common() if count >= phrases]
    return [label for label in found if censor.allows(label)]


def count_labels(photos: Sequence[Photo], labels: Sequence[str]) -> Counts:
    """How many captions of each photo have each word or pair of words, uint8 [photos, labels]."""
    places = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(photos), len(labels)), np.uint8)
    for row, photo in zip(counts, photos, strict=True):
        for caption in photo.captions:
            for label in {*caption, *_pairs(caption)} & places.keys():
                row[places[label]] += 1
    return counts


def says(
    captions: Sequence[Sequence[Sequence[str]]], labels: Sequence[str], asked: NDArray[np.int_]
) -> NDArray[np.bool_]:
    """Whether one or more of each photo's captions has the words of a label side by side.

    Args:
        captions: of each photo.
        labels: a vocabulary.
        asked: places of labels in it, [photos, K].

    Returns:
        bool [photos, K].
    """
    words = [label.lower().split() for label in labels]

    def has(caption: Sequence[str], wanted: list[str]) -> bool:
        return any(list(caption[at : at + len(wanted)]) == wanted for at in range(len(caption) - len(wanted) + 1))

    rows = [
        [any(has(said, words[at]) for said in spoken) for at in row]
        for spoken, row in zip(captions, asked, strict=True)
    ]
    return np.array(rows, bool)


def shares(counts: Counts, photos: Sequence[Photo]) -> NDArray[np.float32]:
    """The part of each photo's captions that has each label, float32 [photos, labels]."""
    captions = np.array([[max(len(photo.captions), 1)] for photo in photos])
    found: NDArray[np.float32] = (counts / captions).astype(np.float32)
    return found


def censor_of(train: Sequence[Photo]) -> Censor:
    """What keeps the held-out words from training."""
    return Censor(held_out_words(train))


def _pairs(caption: Sequence[str]) -> set[str]:
    return {f"{a} {b}" for a, b in pairwise(caption) if says_something(a) and says_something(b)}
