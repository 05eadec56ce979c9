"""Read labelled texts in the layouts that people have; nothing is downloaded."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from core.texts.prepare import normalise

POLARITY = {"neg": "negative", "pos": "positive"}


@dataclass(frozen=True, slots=True)
class Example:
    """One labelled text; `split` is "train", "test" or "" where the data has no official split."""

    text: str
    label: str
    split: str = ""


def read_jsonl(path: Path) -> Iterator[Example]:
    """Reviews, one JSON object a line with "text", "label" (pos or neg) and "split"; .gz or plain."""
    with path.open("rb") as raw, gzip.open(raw) if path.suffix == ".gz" else raw as file:
        for line in file:
            row = json.loads(line)
            yield Example(row["text"], POLARITY[row["label"]], row["split"])


def read_aclimdb(folder: Path) -> Iterator[Example]:
    """Reviews as the Large Movie Review Dataset has them: {train,test}/{pos,neg}/*.txt."""
    for split in ("train", "test"):
        for name, label in POLARITY.items():
            for path in sorted((folder / split / name).glob("*.txt")):
                yield Example(path.read_text(encoding="utf-8"), label, split)


def read_reviews(path: Path) -> Iterator[Example]:
    """Reviews from either layout: a folder is aclImdb, a file is JSON lines."""
    return read_aclimdb(path) if path.is_dir() else read_jsonl(path)


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


def read_word_counts(path: Path) -> dict[str, int]:
    """A word list, WORD SPACE COUNT a line; forms that are equal when normalised are added up."""
    counts: dict[str, int] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            word, _, count = line.rstrip("\n").rpartition(" ")
            word = normalise(word)
            if word:
                counts[word] = counts.get(word, 0) + int(count)
    return counts


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
