"""Made-up short messages in the real layout: enough to run every step of a training in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from training.common.datasets.labelled_texts import Example, write_tagged

PRIZE = ("win a prize", "call 0800", "free entry", "claim now", "cash", "txt STOP", "£100")
CHAT = ("see you", "at home", "later", "ok", "lunch", "mum says hi", "running late", "lol")
MESSAGES = 300


def write_made_up_messages(data: Path, seed: int = 0) -> None:
    """Write sms_spam.tsv into a data folder; a quarter of it is spam."""
    data.mkdir(parents=True, exist_ok=True)
    write_tagged(data / "sms_spam.tsv", _messages(Random(seed)))


def _messages(random: Random) -> Iterator[Example]:
    for number in range(MESSAGES):
        spam = number % 4 == 0
        yield Example(" ".join(random.choices(PRIZE if spam else CHAT, k=5)), "spam" if spam else "ham")
