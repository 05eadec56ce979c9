"""What a tagger learns: words and pairs of words of captions, and the labels that people gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from training.common.captions.content_words import Captioned, content_pairs, grams, is_content_word, photos_with
from training.common.datasets.labelled_photos import LabelledPhoto
from training.common.labels.kinds import with_kinds
from training.tagger.held_out_words import HeldOutFilter

Counts = NDArray[np.uint8]
LONGEST = 4  # words of a label that captions are searched for


def caption_labels(train: Sequence[Captioned], held_out: HeldOutFilter, words: int, phrases: int) -> list[str]:
    """The words and pairs of words that are learnt, the commonest first.

    Args:
        train: the training photos.
        held_out: says which labels training may see.
        words: least photos of a word.
        phrases: least photos of two words that stand side by side.
    """
    single = photos_with(train, 1)
    pairs = Counter(
        pair for photo in train for pair in {p for caption in photo.captions for p in content_pairs(caption)}
    )
    found = [word for word, count in single.most_common() if count >= words and is_content_word(word)]
    found += [pair for pair, count in pairs.most_common() if count >= phrases]
    return [label for label in found if held_out.allows(label)]


def given_labels(train: Sequence[LabelledPhoto], held_out: HeldOutFilter, least: int) -> list[str]:
    """The labels that people gave to so many photos at least, the commonest first."""
    counts = Counter(label for photo in train for label in with_kinds(set(photo.labels)))
    return [label for label, count in counts.most_common() if count >= least and held_out.allows(label)]


def count_labels(photos: Sequence[Captioned], labels: Sequence[str]) -> Counts:
    """How many captions of each photo have each word or pair of words, uint8 [photos, labels]."""
    columns = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(photos), len(labels)), np.uint8)
    for row, photo in zip(counts, photos, strict=True):
        for caption in photo.captions:
            for label in {*caption, *content_pairs(caption)} & columns.keys():
                row[columns[label]] += 1
    return counts


def has_labels(photos: Sequence[LabelledPhoto], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Which photos people gave which labels, bool [photos, labels]."""
    return np.array([[label in photo.labels for label in labels] for photo in photos], bool)


def is_right(photos: Sequence[LabelledPhoto], labels: Sequence[str], asked: NDArray[np.int_]) -> NDArray[np.bool_]:
    """Whether one or more of each photo's captions says a label or a kind of it, or people gave one.

    Args:
        photos: with captions or labels.
        labels: a vocabulary.
        asked: indices of labels in it, [photos, K].

    Returns:
        bool [photos, K].
    """
    wanted = [label.lower() for label in labels]
    rows = []
    for photo, row in zip(photos, asked, strict=True):
        said = (grams(caption, LONGEST) for caption in photo.captions)
        true = with_kinds(set(photo.labels).union(*said))
        rows.append([wanted[at] in true for at in row])
    return np.array(rows, bool)
