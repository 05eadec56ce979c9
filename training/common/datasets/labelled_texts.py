"""Labelled texts: one a line, with a tab between label and text; and where in the data folder texts lie."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.texts.prepare import normalise


def text_folder(data: Path) -> Path:
    """The folder with the texts of a data folder: text/ if there is one, else the data folder itself."""
    own = data / "text"
    return own if own.is_dir() else data


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text; `split` is "train", "test" or "" where the data has no official split."""

    text: str
    label: str
    split: str = ""


def read_tagged(path: Path) -> Iterator[Example]:
    """Texts one a line, LABEL TAB TEXT: the layout of SMSSpamCollection, and of labelled sentences.

    Raises:
        ValueError: a line has no tab.
    """
    with path.open(encoding="utf-8", newline="\n") as file:
        for number, line in enumerate(file, 1):
            label, tab, text = line.rstrip("\r\n").partition("\t")
            if not tab:
                raise ValueError(f"{path.name}, line {number}: there is no tab between label and text")
            yield Example(text, label)


def without_duplicates(examples: Iterable[Example], seen: set[str] | None = None) -> list[Example]:
    """The first of each text, as `normalise` sees it; none that is in `seen`, which is added to if given."""
    seen = set() if seen is None else seen
    kept = []
    for example in examples:
        key = normalise(example.text)
        if key not in seen:
            seen.add(key)
            kept.append(example)
    return kept


def write_tagged(path: Path, examples: Iterable[Example]) -> None:
    """The inverse of `read_tagged`; white space in a text becomes one space."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter="\t", quoting=csv.QUOTE_NONE, quotechar=None, lineterminator="\n")
        writer.writerows([example.label, " ".join(example.text.split())] for example in examples)
