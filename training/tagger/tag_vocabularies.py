"""The labels of the vocabularies that a tagger's artefact has by name."""

from __future__ import annotations

import csv
from pathlib import Path

# What people may want to find photos by: chosen by hand from Flickr8k's words, Open Images' labels, the classes of
# ImageNet and their hypernyms in WordNet.
PHOTO_LABELS = Path(__file__).with_name("photo_labels.txt")
OPEN_IMAGES = "open_images_v6_labels.csv"


def vocabulary_labels(name: str, data: Path) -> list[str]:
    """The labels of a named vocabulary, in order.

    Args:
        name: "photos" or "open-images".
        data: the data folder, for Open Images' labels.

    Raises:
        ValueError: there is no such vocabulary.
    """
    match name:
        case "photos":
            return photo_labels()
        case "open-images":
            return open_images_labels(data / OPEN_IMAGES)
    raise ValueError(f"there is no vocabulary {name!r}")


def photo_labels() -> list[str]:
    """The labels of "photos"."""
    return PHOTO_LABELS.read_text(encoding="utf-8").splitlines()


def open_images_labels(path: Path) -> list[str]:
    """The names of Open Images' classes, each once, in the order of the file."""
    return list(dict.fromkeys(name for _, name in read_open_images(path)))


def read_open_images(path: Path) -> list[tuple[str, str]]:
    """Open Images' classes from a CSV LabelName,DisplayName: id and name of each, in order.

    Raises:
        ValueError: a line has more or fewer columns; it says where.
    """
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(enumerate(csv.reader(file), 1))
    if rows and rows[0][1][:2] == ["LabelName", "DisplayName"]:
        rows = rows[1:]
    for number, row in rows:
        if len(row) != 2:
            raise ValueError(f"{path}:{number}: every line is LabelName,DisplayName")
    return [(key, name) for _, (key, name) in rows]
