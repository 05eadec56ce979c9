"""What a tagger learns from captions: which words and pairs of words, and how true each is of a photo."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.common.datasets.captioned_photos import Photo
from training.tagger.caption_words import is_content_word, photos_with
from training.tagger.held_out_words import HeldOutFilter

Counts = NDArray[np.uint8]


def caption_labels(train: Sequence[Photo], held_out: HeldOutFilter, words: int, phrases: int) -> list[str]:
    """The words and pairs of words that are learnt, the commonest first.

    Args:
        train: the training photos.
        held_out: says which labels training may see.
        words: least photos of a word.
        phrases: least photos of two words that stand side by side.
    """
    single = photos_with(train, 1)
    pairs = Counter(pair for photo in train for pair in {p for caption in photo.captions for p in _pairs(caption)})
    found = [word for word, count in single.most_common() if count >= words and is_content_word(word)]
    found += [pair for pair, count in pairs.most_common() if count >= phrases]
    return [label for label in found if held_out.allows(label)]


def count_labels(photos: Sequence[Photo], labels: Sequence[str]) -> Counts:
    """How many captions of each photo have each word or pair of words, uint8 [photos, labels]."""
    columns = {label: at for at, label in enumerate(labels)}
    counts = np.zeros((len(photos), len(labels)), np.uint8)
    for row, photo in zip(counts, photos, strict=True):
        for caption in photo.captions:
            for label in {*caption, *_pairs(caption)} & columns.keys():
                row[columns[label]] += 1
    return counts


def label_shares(counts: Counts, photos: Sequence[Photo]) -> NDArray[np.float32]:
    """The share of each photo's captions that have each label, float32 [photos, labels]."""
    captions = np.array([[max(len(photo.captions), 1)] for photo in photos])
    found: NDArray[np.float32] = (counts / captions).astype(np.float32)
    return found


def in_captions(
    captions: Sequence[Sequence[Sequence[str]]], labels: Sequence[str], asked: NDArray[np.int_]
) -> NDArray[np.bool_]:
    """Whether one or more of each photo's captions has the words of a label side by side.

    Args:
        captions: of each photo.
        labels: a vocabulary.
        asked: indices of labels in it, [photos, K].

    Returns:
        bool [photos, K].
    """
    words = [label.lower().split() for label in labels]

    def has(caption: Sequence[str], wanted: list[str]) -> bool:
        return any(list(caption[at : at + len(wanted)]) == wanted for at in range(len(caption) - len(wanted) + 1))

    rows = [
        [any(has(caption, words[at]) for caption in own) for at in row]
        for own, row in zip(captions, asked, strict=True)
    ]
    return np.array(rows, bool)


def _pairs(caption: Sequence[str]) -> set[str]:
    return {f"{a} {b}" for a, b in pairwise(caption) if is_content_word(a) and is_content_word(b)}
