"""What labels are kinds of: a photo of a zebra is one of an animal, though nobody would say so of it."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

KINDS = Path(__file__).with_name("kinds.csv")


@cache
def kinds_of() -> dict[str, frozenset[str]]:
    """By label, what it is a kind of: from a CSV kind,of, in which spaces of labels are underscores."""
    found: dict[str, set[str]] = {}
    with KINDS.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for label in row["of"].split():
                found.setdefault(label.replace("_", " "), set()).add(row["kind"])
    return {label: frozenset(kinds) for label, kinds in found.items()}


def with_kinds(labels: set[str]) -> set[str]:
    """Labels, and what they are kinds of."""
    above = kinds_of()
    return labels.union(*(above[label] for label in labels if label in above))
