"""Encode very many texts at once: the same ids as `core.texts.prepare` gives one by one, several times as fast.

Training sees a million spellings of words; hashing each by itself would take longer than learning from them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from core.texts.features import grams
from core.texts.prepare import LATIN_LETTER, CharGrams, TextSpec, normalise, prepare_text

Ids = NDArray[np.int32]
AT_ONCE = 1 << 16  # texts; bounds the memory


def encode_many(texts: Sequence[str], spec: TextSpec) -> list[Ids]:
    """Ids of each text, as `prepare_text` gives them.

    Raises:
        ItemError: one of them is empty, or has no letter where the features need one.
    """
    features = spec.features
    if not isinstance(features, CharGrams) or features.words or features.shapes or features.surface:
        return [prepare_text(text, spec).ids for text in texts]
    found: list[Ids] = []
    for at in range(0, len(texts), AT_ONCE):
        found += _char_grams([_clean(text, spec) for text in texts[at : at + AT_ONCE]], features)
    return found


def _clean(text: str, spec: TextSpec) -> str:
    clean = normalise(text[: spec.max_chars])
    if not clean or (spec.needs == "latin letters" and not LATIN_LETTER.search(clean)):
        prepare_text(text, spec)  # raises the error that says why
    return clean


def _char_grams(texts: Sequence[str], features: CharGrams) -> list[Ids]:
    """Hashed n-grams of characters of normalised texts: of all at once, less those that cross into the next text."""
    padded = [f" {text} " for text in texts]
    points = np.frombuffer("".join(padded).encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    lengths = np.array([len(text) for text in padded])
    owner = np.repeat(np.arange(len(texts)), lengths)
    keys = []
    for order in features.chars:
        hashes = grams(points, order)
        first, last = owner[: len(hashes)], owner[order - 1 :][: len(hashes)]
        ids = hashes % np.uint64(features.buckets - 1) + np.uint64(1)
        whole = first == last
        keys.append(first[whole] * features.buckets + ids[whole].astype(np.int64))
    every = np.sort(np.concatenate(keys))
    every = every[np.append(True, every[1:] != every[:-1])]
    ends = np.searchsorted(every, np.arange(1, len(texts)) * features.buckets)
    return np.split((every % features.buckets).astype(np.int32), ends)
