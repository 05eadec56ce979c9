"""Which photos are learnt from, which choose settings, and which are measured on: fixed by the photos' names alone.

Photos with five captions or more are the best to measure captions on: the first of them, in the order of a hash of
their names, are the test split, the next ones the validation split. Of photos without that many captions, one in ten
and one in twenty are kept for measuring labels, but none that has a label of few photos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

REFERENCES = 5  # captions of a photo that make it fit to measure captions on
TEST, VALIDATION = 300, 200  # such photos, where there are enough
TEST_SHARE, VALIDATION_SHARE = 0.4, 0.27  # most of them
OTHERS_TEST, OTHERS_VALIDATION = 0.10, 0.15  # ends of the two ranges of the hash, for other photos
FEW = 20  # photos; a label that has fewer is learnt from all of them


class Unsplit(NamedTuple):
    """A photo's name, how many captions it has, its labels, and the split that its list names, or ""."""

    name: str
    captions: int
    labels: tuple[str, ...]
    split: str


def splits_of(photos: Sequence[Unsplit]) -> list[str]:
    """The split of each photo: "train", "val" or "test"."""
    fives = sorted((p.name for p in photos if p.captions >= REFERENCES), key=_hash)
    tests = min(TEST, int(len(fives) * TEST_SHARE))
    validations = min(VALIDATION, int(len(fives) * VALIDATION_SHARE))
    ranked = {name: at for at, name in enumerate(fives)}
    counts = Counter(label for p in photos for label in p.labels)

    def split(photo: Unsplit) -> str:
        if photo.split:
            return photo.split
        if photo.name in ranked:
            at = ranked[photo.name]
            return "test" if at < tests else "val" if at < tests + validations else "train"
        if (tests and photo.captions) or any(counts[label] < FEW for label in photo.labels):
            return "train"
        share = _hash(photo.name)
        return "test" if share < OTHERS_TEST else "val" if share < OTHERS_VALIDATION else "train"

    return [split(photo) for photo in photos]


def _hash(name: str) -> float:
    """A number from 0 to 1 that a name has for ever."""
    return int.from_bytes(sha256(name.encode()).digest()[:6], "big") / 2**48
