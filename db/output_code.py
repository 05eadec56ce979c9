"""How an output is written in the ledger: labels by their numbers, scores as they are, the rest as JSON.

A body is a head, the labels' numbers, their scores, and the JSON of everything else but the model's name, which the
recipe has. The numbers stand together and are four bytes each, the first one first, so that a database can look for one
without decoding (`needle`); what it finds is looked at again, for bytes may meet by chance.
"""

from __future__ import annotations

import json
import struct
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from core.heads.ranking import DIGITS, rounded

HEAD = struct.Struct(">BIIH")  # version, width, height, labels
VERSION = 1
MOST_LABELS = 0xFFFF
Entry = tuple[str, str]  # a label, and what stands beside it but for its score, as JSON


@dataclass(frozen=True, slots=True)
class Decoded:
    """An output as it lies in the ledger: numbers and scores of its labels, best first, and the other fields."""

    width: int
    height: int
    numbers: tuple[int, ...]
    scores: tuple[float, ...]
    rest: dict[str, Any]


def entries(output: Mapping[str, Any]) -> list[Entry]:
    """The labels of an output, as the table of labels has them."""
    return [_entry(label) for label in output.get("labels") or ()]


def _entry(label: Mapping[str, Any]) -> Entry:
    beside = {name: value for name, value in label.items() if name not in ("label", "score")}
    return str(label["label"]), _json(beside) if beside else ""


def encode(output: Mapping[str, Any], numbers: Mapping[Entry, int], width: int = 0, height: int = 0) -> bytes:
    """The body of an output.

    Args:
        numbers: of all its `entries`.
        width, height: of the photo, in pixels; 0 where they are not known.
    """
    labels = list(output.get("labels") or ())
    rest = {name: value for name, value in output.items() if name not in ("labels", "model")}
    if "labels" not in output:
        rest["no_labels"] = True
    ids = [numbers[_entry(label)] for label in labels]
    return encode_numbers(ids, [float(label["score"]) for label in labels], rest, width, height)


def encode_numbers(
    ids: Collection[int], scores: Iterable[float], rest: Mapping[str, Any], width: int = 0, height: int = 0
) -> bytes:
    """As `encode`, for labels that are numbers already."""
    head = HEAD.pack(VERSION, width, height, len(ids))
    floats = struct.pack(f">{len(ids)}f", *scores)
    return b"".join((head, pack_numbers(ids), floats, _json(rest).encode() if rest else b""))


def decode(body: bytes) -> Decoded:
    """The inverse of `encode`."""
    version, width, height, count = HEAD.unpack_from(body)
    if version != VERSION:
        raise ValueError(f"the ledger has an entry of version {version}")
    at = HEAD.size
    numbers = struct.unpack_from(f">{count}I", body, at)
    scores = struct.unpack_from(f">{count}f", body, at + 4 * count)
    rest = body[at + 8 * count :]
    return Decoded(
        width, height, numbers, tuple(round(score, DIGITS) for score in scores), json.loads(rest) if rest else {}
    )


def numbers_in(body: bytes, least: float = 0.0) -> bytes:
    """The part of a body that holds the labels' numbers, as `unpack_numbers` reads it.

    Args:
        least: only of labels that score so much; they stand first.
    """
    count = HEAD.unpack_from(body)[3]
    if least > 0:
        scores = struct.unpack_from(f">{count}f", body, HEAD.size + 4 * count)
        count = sum(round(score, DIGITS) >= least for score in scores)
    return body[HEAD.size : HEAD.size + 4 * count]


def rendered(decoded: Decoded, labels: Mapping[int, Entry], model: str) -> dict[str, Any]:
    """The output as its model gave it.

    Args:
        labels: by their numbers, all that it names.
    """
    rest = dict(decoded.rest)
    if rest.pop("no_labels", False):
        return {**rest, "model": model}
    shown = []
    for number, score in zip(decoded.numbers, decoded.scores, strict=True):
        label, extra = labels[number]
        shown.append({"label": label, **(json.loads(extra) if extra else {}), "score": score})
    return {"labels": shown, **rest, "model": model}


def pack_numbers(numbers: Iterable[int]) -> bytes:
    """Numbers of labels, four bytes each."""
    numbers = list(numbers)
    return struct.pack(f">{len(numbers)}I", *numbers)


def unpack_numbers(packed: bytes | None) -> tuple[int, ...]:
    """The inverse of `pack_numbers`; none of None."""
    return struct.unpack(f">{len(packed) // 4}I", packed) if packed else ()


def count_labels_in(bodies: Iterable[bytes], least: float = 0.0) -> Counter[int]:
    """In how many bodies each label's number stands, where it scores at least so much."""
    by_size: dict[int, list[bytes]] = defaultdict(list)
    for body in bodies:
        size = (body[HEAD.size - 2] << 8) + body[HEAD.size - 1]
        by_size[size].append(body[: HEAD.size + 8 * size])
    found: Counter[int] = Counter()
    for size, alike in by_size.items():
        rows = np.dtype([("head", f"V{HEAD.size}"), ("numbers", ">u4", (size,)), ("scores", ">f4", (size,))])
        table = np.frombuffer(b"".join(alike), rows)
        numbers, counts = np.unique(table["numbers"][rounded(table["scores"]) >= least], return_counts=True)
        found.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
    return found


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
