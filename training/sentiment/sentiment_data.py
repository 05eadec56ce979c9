"""Film reviews: the layouts that are read, and the splits."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.common.datasets.labelled_texts import Example, text_folder, without_duplicates

LABELS = ("negative", "positive")
POLARITY = {"neg": "negative", "pos": "positive"}


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


def reviews_path(data: Path) -> Path:
    """Where the reviews of a data folder are: aclImdb/ if it is there, else the JSON lines."""
    folder = text_folder(data)
    return folder / "aclImdb" if (folder / "aclImdb").is_dir() else folder / "imdb_reviews.jsonl.gz"


@dataclass(frozen=True, slots=True)
class SentimentData:
    """Reviews; none of the test reviews is among the others, and none is there twice but in the test split."""

    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    test: tuple[Example, ...]


def load_sentiment(path: Path, validation: float, seed: int) -> SentimentData:
    """Reviews with the official split; a share of the training split is set aside.

    Args:
        path: aclImdb folder or JSON lines.
        validation: share of the training reviews.
        seed: decides which.
    """
    examples = list(read_reviews(path))
    test = [example for example in examples if example.split == "test"]
    seen: set[str] = set()
    without_duplicates(test, seen)
    train = without_duplicates((example for example in examples if example.split == "train"), seen)
    order = np.random.default_rng(seed).permutation(len(train))
    cut = round(len(train) * validation)
    return SentimentData(tuple(train[at] for at in order[cut:]), tuple(train[at] for at in order[:cut]), tuple(test))
