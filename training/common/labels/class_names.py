"""The names of ImageNet's classes, and what WordNet has above each."""

from __future__ import annotations

import csv
from pathlib import Path

CLASSES = Path(__file__).with_name("imagenet_labels.csv")


def read_class_names(path: Path = CLASSES) -> list[str]:
    """The name of each class, in order."""
    return [name for name, _ in read_classes_above(path)]


def read_classes_above(path: Path = CLASSES) -> list[tuple[str, list[str]]]:
    """The name of each class in order, and its hypernyms.

    Args:
        path: a CSV index,label,above; "above" has the hypernyms with a semicolon between.
    """
    with path.open(encoding="utf-8", newline="") as file:
        return [(row["label"], list(filter(None, row["above"].split(";")))) for row in csv.DictReader(file)]
