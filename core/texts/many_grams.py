"""The hashed n-grams of many texts at once: the same ids as `core.texts.features.encode` gives one by one.

All texts stand one after another in one array, each hash is computed for all of them in a few passes, and n-grams that
cross into the next text are left out. A slice of texts is worked on at a time, so that its hashes stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from core.texts.features import (
    DIGITS,
    PRIME,
    SHAPES,
    WORDS,
    ZERO,
    CharGrams,
    Hashes,
    Ids,
    TokenGrams,
    code_points,
    mix,
)
from core.texts.surfaces import surface_ids
from core.texts.token_hashes import token_hashes

AT_ONCE = 1 << 16  # characters; their hashes are 512 KB an order, which stays in the cache
# Of a token in its text, and of an n-gram. A text has 10,000 characters at most, each of which NFKC may make 18.
PLACE_BITS, ID_BITS = 18, 30
OWNER_AT = PLACE_BITS + ID_BITS
Owners = NDArray[np.int64]  # which text each unit belongs to


def char_grams(texts: Sequence[str], originals: Sequence[str], spec: CharGrams) -> tuple[Ids, NDArray[np.int64]]:
    """The bags of normalised texts that are not empty, and where each ends.

    Args:
        originals: the texts with their capitals.
    """
    found, ends, so_far = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)], 0
    most = max(1, (1 << 32) // spec.buckets)  # then text and id fit into 32 bits, which sort twice as fast
    for first, last in _slices(texts, most):
        ids, stops = _bags(texts[first:last], originals[first:last], spec)
        found.append(ids)
        ends.append(stops + so_far)
        so_far += len(ids)
    return np.concatenate(found), np.concatenate(ends)


def _bags(texts: Sequence[str], originals: Sequence[str], spec: CharGrams) -> tuple[Ids, NDArray[np.int64]]:
    padded = [f" {text} " for text in texts]
    points, owners = code_points("".join(padded)).astype(np.uint64), _owners([len(text) for text in padded])
    keys = list(_keys(points, owners, spec.chars, spec.buckets))
    if spec.shapes:
        shape = np.where(points - ZERO < DIGITS, ZERO, points) + SHAPES
        keys += _keys(shape, owners, spec.shapes, spec.buckets)
    if spec.words:
        words, counts = token_hashes(texts)
        keys += _keys(words + WORDS, _owners(counts), spec.words, spec.buckets)
    if spec.surface:
        owner, ids = surface_ids(originals, spec.buckets)
        keys.append((owner * spec.buckets + ids).astype(np.uint32))
    every = np.concatenate(keys)
    every.sort()
    every = every[np.append(True, every[1:] != every[:-1])]
    ends = np.searchsorted(every, (np.arange(1, len(texts)) * spec.buckets).astype(np.uint32))
    return _remainders(every, spec.buckets).view(np.int32), np.append(ends, len(every))


def _remainders(numbers: NDArray[np.uint32], divisor: int) -> NDArray[np.uint32]:
    if divisor & (divisor - 1) == 0:  # as with all our models, and ten times as fast
        return numbers & np.uint32(divisor - 1)
    return numbers % np.uint32(divisor)


def _keys(units: Hashes, owners: Owners, orders: Sequence[int], buckets: int) -> Iterator[NDArray[np.uint32]]:
    """For each order, text and id of every n-gram as one number."""
    base = (owners * buckets).astype(np.uint32)
    for order, hashes in _grams(units, orders):
        within = owners[: len(hashes)] == owners[order - 1 :]
        yield base[: len(hashes)][within] + _ids(hashes[within], buckets)


def _grams(units: Hashes, orders: Sequence[int]) -> Iterator[tuple[int, Hashes]]:
    """Hashes of the n-grams of each order, as `features.grams` gives them: an order goes on from the one before."""
    plus_one = units + np.uint64(1)
    sums, power = np.zeros(len(units), np.uint64), 1
    for order in range(1, max(orders, default=0) + 1):
        sums = sums[: max(len(units) - order + 1, 0)] * PRIME + plus_one[order - 1 :]
        power = power * int(PRIME) % (1 << 64)
        if order in orders:
            yield order, mix(sums + np.uint64(order * power % (1 << 64)))


def _ids(hashes: Hashes, buckets: int) -> NDArray[np.uint32]:
    """As `features.ids_of`; by a division, which NumPy does many at a time, and not by a remainder."""
    divisor = np.uint64(buckets - 1)
    return (hashes - hashes // divisor * divisor).astype(np.uint32) + np.uint32(1)


def token_grams(texts: Sequence[str], spec: TokenGrams) -> tuple[Ids, NDArray[np.int64]]:
    """The rows of normalised texts that are not empty, and where each text's rows end."""
    found, ends, so_far = [np.zeros((0, 1 + spec.orders), np.int32)], [np.zeros(0, np.int64)], 0
    for first, last in _slices(texts, 1 << 62 - OWNER_AT):
        rows, stops = _rows(texts[first:last], spec)
        found.append(rows)
        ends.append(stops + so_far)
        so_far += len(rows)
    return np.concatenate(found), np.concatenate(ends)


def _rows(texts: Sequence[str], spec: TokenGrams) -> tuple[Ids, NDArray[np.int64]]:
    units, counts = token_hashes(texts)
    owners, ends = _owners(counts), np.cumsum(counts)
    starts = np.append(0, ends[:-1])
    head = (owners << OWNER_AT) + np.arange(len(units)) - starts[owners]
    table = np.zeros((len(units), 1 + spec.orders), np.int32)
    table[:, 0] = _ids(mix(units), spec.words)
    for order, hashes in _grams(units, range(1, spec.orders + 1)):
        within = owners[: len(hashes)] == owners[order - 1 :]
        ids = _ids(hashes[within], spec.buckets).astype(np.int64)
        keys = np.sort(head[: len(hashes)][within] + (ids << PLACE_BITS))  # text, id, place
        keys = keys[np.append(True, keys[1:] >> PLACE_BITS != keys[:-1] >> PLACE_BITS)[: len(keys)]]
        places = starts[keys >> OWNER_AT] + (keys & ((1 << PLACE_BITS) - 1))
        table[places + order - 1, order] = keys >> PLACE_BITS & ((1 << ID_BITS) - 1)
    return table, ends


def _slices(texts: Sequence[str], most: int) -> Iterator[tuple[int, int]]:
    """First and last of neighbours that are worked on together: at most `most`, and few characters in all."""
    first = characters = 0
    for at, text in enumerate(texts):
        if at > first and (at - first == most or characters + len(text) > AT_ONCE):
            yield first, at
            first, characters = at, 0
        characters += len(text)
    if texts:
        yield first, len(texts)


def _owners(counts: Sequence[int] | NDArray[np.int64]) -> Owners:
    return np.repeat(np.arange(len(counts)), counts)
