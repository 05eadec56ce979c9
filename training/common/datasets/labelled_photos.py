"""Read photos with labels, captions or both: a list in JSON, or two tables as people make them.

A folder has `images/` and either `items.json` (may be gzipped), a list of {"file", "source", "labels", "captions",
"labels_complete"}, or `captions.csv` (file,caption; one line a caption) and `labels.csv` (file,label; one line a
label), of which one is enough. In JSON all but "file" may be left out; "split" may be there too.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.common.datasets.captioned_photos import tokenise
from training.common.datasets.json_files import read_json
from training.common.datasets.splits import Unsplit, splits_of

LISTS = ("items.json.gz", "items.json")
CAPTIONS, LABELS = "captions.csv", "labels.csv"
TEXTS = ("text_only.json.gz", "text_only.json")


@dataclass(frozen=True, slots=True)
class LabelledPhoto:
    """A photo and what people said of it.

    Attributes:
        name: its file's name.
        source: the collection that it is from; what is known of labels is known by the collection.
        split: "train", "val" or "test".
        labels: what is on it; a label that is not there says nothing unless
        complete: they are all that its collection knows.
        captions: each as words in lower case, without punctuation.
    """

    name: str
    source: str
    split: str
    labels: tuple[str, ...]
    complete: bool
    captions: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class LabelledText:
    """Captions of a photo that is not there, each as words, and what was on it."""

    labels: tuple[str, ...]
    captions: tuple[tuple[str, ...], ...]


def has_labelled_photos(folder: Path) -> bool:
    """Whether a folder has one of the layouts."""
    return (folder / "images").is_dir() and any((folder / name).is_file() for name in (*LISTS, CAPTIONS, LABELS))


def read_labelled_photos(folder: Path) -> list[LabelledPhoto]:
    """The photos of a folder whose files are there, each with its split (see `splits`).

    Raises:
        ValueError: a file is of another layout; it says where.
    """
    listed = next((folder / name for name in LISTS if (folder / name).is_file()), None)
    entries = _listed(listed) if listed else _tables(folder)
    there = [entry for entry in entries if (folder / "images" / entry["file"]).is_file()]
    photos = [_photo(entry) for entry in there]
    splits = splits_of([Unsplit(p.name, len(p.captions), p.labels, p.split) for p in photos])
    return [
        LabelledPhoto(p.name, p.source, split, p.labels, p.complete, p.captions)
        for p, split in zip(photos, splits, strict=True)
    ]


def read_labelled_texts(folder: Path) -> list[LabelledText]:
    """The captions without photos of a folder, from `text_only.json` (may be gzipped); none if there is no such file.

    Raises:
        ValueError: the file is of another layout.
    """
    path = next((folder / name for name in TEXTS if (folder / name).is_file()), None)
    if path is None:
        return []
    try:
        return [LabelledText(tuple(entry["labels"]), tuple(map(tokenise, entry["captions"]))) for entry in _json(path)]
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f'{path}: not a list of {{"labels", "captions"}}: {error}') from None


def _listed(path: Path) -> list[dict[str, Any]]:
    entries = _json(path)
    for at, entry in enumerate(entries):
        if not isinstance(entry, dict) or not isinstance(entry.get("file"), str):
            raise ValueError(f"{path}: entry {at} names no file")
    return entries


def _tables(folder: Path) -> list[dict[str, Any]]:
    """The two tables as entries, in the order in which files are first named."""
    entries: dict[str, dict[str, Any]] = {}
    for table, column in ((CAPTIONS, "caption"), (LABELS, "label")):
        for file, value in _rows(folder / table, column):
            entry = entries.setdefault(file, {"file": file, "captions": [], "labels": []})
            entry[f"{column}s"].append(value)
    return list(entries.values())


def _rows(path: Path, column: str) -> Iterable[tuple[str, str]]:
    if not path.is_file():
        return
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is None or not {"file", column} <= set(reader.fieldnames):
            raise ValueError(f"{path}: its first line must be file,{column}")
        for number, row in enumerate(reader, 2):
            if not row["file"] or not row[column]:
                raise ValueError(f"{path}:{number}: no file or no {column}")
            yield row["file"].strip(), row[column].strip()


def _json(path: Path) -> list[Any]:
    found = read_json(path)
    if not isinstance(found, list):
        raise ValueError(f"{path}: not a list")
    return found


def _photo(entry: dict[str, Any]) -> LabelledPhoto:
    labels = tuple(dict.fromkeys(label.strip().lower() for label in entry.get("labels") or ()))
    captions = tuple(words for caption in entry.get("captions") or () if (words := tokenise(caption)))
    source = entry.get("source") or "own"
    return LabelledPhoto(
        entry["file"], source, entry.get("split") or "", labels, bool(entry.get("labels_complete")), captions
    )
