"""Made-up data for all text tasks at once, and reviews in their other layout."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from training.common.datasets.labelled_texts import Example
from training.language.made_up_words import write_made_up_words
from training.sentiment.made_up_reviews import write_made_up_reviews
from training.spam.made_up_messages import write_made_up_messages


def write_made_up(folder: Path) -> None:
    """Write reviews, messages, word lists and sentences into a data folder."""
    for write in (write_made_up_reviews, write_made_up_messages, write_made_up_words):
        write(folder)


def as_jsonl(reviews: Iterable[Example]) -> str:
    """Reviews in the layout of JSON lines."""
    rows = ({"text": r.text, "label": r.label[:3], "split": r.split} for r in reviews)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
