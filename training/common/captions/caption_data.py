"""Captions as numbers: a vocabulary of words, and captions as ids of words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from core.heads.captions import END, PAD, SPECIAL, START, UNKNOWN
from training.common.captions.content_words import Captioned

Ids = NDArray[np.int32]


def vocabulary(photos: Iterable[Captioned], least_count: int) -> tuple[str, ...]:
    """The special words, then every word said at least so often, commonest first."""
    counts = Counter(word for photo in photos for caption in photo.captions for word in caption)
    kept = sorted((word for word in counts if counts[word] >= least_count), key=lambda word: (-counts[word], word))
    return (*SPECIAL, *kept)


def caption_ids(photos: Sequence[Captioned], words: Sequence[str], captions: int, positions: int) -> tuple[Ids, Ids]:
    """The words that the decoder reads, and the next words that it should give.

    Args:
        photos: at least one caption each.
        words: the vocabulary.
        captions: how many of each photo; one that has fewer repeats them.
        positions: longest sentence with its end; a longer one loses its tail.

    Returns:
        Two int32 [photos, captions, positions], the first with the start before, the second with the end behind;
        PAD behind both.
    """
    ids = {word: at for at, word in enumerate(words)}
    tokens = np.full((len(photos), captions, positions), PAD, np.int32)
    targets = tokens.copy()
    for row, photo in enumerate(photos):
        for column in range(captions):
            caption = photo.captions[column % len(photo.captions)]
            sentence = [START, *(ids.get(word, UNKNOWN) for word in caption), END]
            length = min(len(sentence) - 1, positions)
            tokens[row, column, :length] = sentence[:-1][:length]
            targets[row, column, :length] = sentence[1:][:length]
    return tokens, targets


def word_shares(captions: Ids, vocabulary_size: int) -> NDArray[np.float32]:
    """The share of a photo's captions that have a word, float32 [photos, words]; 0 for the special words.

    Args:
        captions: int32 [photos, captions, positions].
        vocabulary_size: how many words there are.
    """
    photos, count, _ = captions.shape
    shares = np.zeros((photos, vocabulary_size), np.float32)
    for column in range(count):
        has = np.zeros_like(shares, dtype=bool)
        np.put_along_axis(has, captions[:, column].astype(np.intp), True, axis=1)
        shares += has
    shares[:, : len(SPECIAL)] = 0
    shares /= count
    return shares
