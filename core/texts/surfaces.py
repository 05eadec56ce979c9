"""What is striking about the form of many texts at once: the hashes of the names that `features.surface` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from core.texts.features import SURFACE, SURFACE_SIGNS, code_points, ids_of, mix, word_hashes

ASCII = 128
FEW = 64
Numbers = NDArray[np.int64]


def surface_ids(texts: Sequence[str], buckets: int) -> tuple[Numbers, Numbers]:
    """Which text, and an id of it, for every feature of texts that are not empty; a few stand there twice."""
    lengths = np.array([len(text) for text in texts], np.int64)
    points = code_points("\n".join([*texts, ""]))  # a line break behind each: numbers do not go on in the next text
    starts = np.cumsum(lengths + 1) - lengths - 1
    digits = _count(_marked(points, str.isdigit), starts)
    capitals = _count(_marked(points, str.isupper), starts)
    named = {
        "length": _bit_length(lengths),
        "digits": _bit_length(digits),
        "capitals": 10 * capitals // lengths,
        "longest number": _longest_runs(_is_digit(points), starts),
    }
    places = [np.arange(len(texts))] * len(named)
    ids = [_ids_of_numbers(name, numbers, buckets) for name, numbers in named.items()]
    for place, found in _signs(points, starts, buckets):
        places.append(place)
        ids.append(found)
    return np.concatenate(places), np.concatenate(ids)


def _signs(points: NDArray[np.uint32], starts: Numbers, buckets: int) -> Iterator[tuple[Numbers, Numbers]]:
    for sign in SURFACE_SIGNS:
        at = np.flatnonzero(points == ord(sign))
        if len(at):
            place = np.searchsorted(starts, at, side="right") - 1
            yield place, np.full(len(at), _id(f"has {sign}", buckets))


def _marked(points: NDArray[np.uint32], of: Callable[[str], bool]) -> NDArray[np.bool_]:
    """Of which characters a method of strings is true; the few beyond ASCII are asked once each."""
    marked = _is_digit(points) if of is str.isdigit else (points - np.uint32(ord("A"))) < np.uint32(26)
    beyond = np.flatnonzero(points >= ASCII)
    if len(beyond):
        kinds, which = np.unique(points[beyond], return_inverse=True)
        marked[beyond] = np.array([of(chr(kind)) for kind in kinds])[which]
    return marked


def _is_digit(points: NDArray[np.uint32]) -> NDArray[np.bool_]:
    return (points - np.uint32(ord("0"))) < np.uint32(10)


def _count(marked: NDArray[np.bool_], starts: Numbers) -> Numbers:
    return np.add.reduceat(marked, starts, dtype=np.int64)


def _longest_runs(marked: NDArray[np.bool_], starts: Numbers) -> Numbers:
    """The longest run of marks in each text."""
    places = np.arange(1, len(marked) + 1)
    runs = places - np.maximum.accumulate(np.where(marked, 0, places))
    return np.maximum.reduceat(runs, starts)


def _bit_length(numbers: Numbers) -> Numbers:
    """int.bit_length of each."""
    return np.frexp(numbers)[1].astype(np.int64)


def _ids_of_numbers(name: str, numbers: Numbers, buckets: int) -> Numbers:
    most = int(numbers.max())
    if most < FEW:
        return np.array([_id(f"{name} {number}", buckets) for number in range(most + 1)])[numbers]
    return np.array([_id(f"{name} {number}", buckets) for number in numbers.tolist()])


@lru_cache(maxsize=1 << 16)
def _id(name: str, buckets: int) -> int:
    return int(ids_of(mix(word_hashes([name]) + SURFACE), buckets)[0])
