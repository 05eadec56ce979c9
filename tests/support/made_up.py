"""Made-up data for all text tasks at once."""

from __future__ import annotations

from pathlib import Path

from training.language.made_up_words import write_made_up_words
from training.sentiment.made_up_reviews import write_made_up_reviews
from training.spam.made_up_messages import write_made_up_messages


def write_made_up(folder: Path) -> None:
    """Write reviews, messages, word lists and sentences into a data folder."""
    for write in (write_made_up_reviews, write_made_up_messages, write_made_up_words):
        write(folder)
