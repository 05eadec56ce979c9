"""Made-up film reviews in the real layouts: enough to run every step of a training in seconds."""

from __future__ import annotations

from pathlib import Path
from random import Random

GOOD = ("lovely", "superb", "moving", "funny", "a joy", "well acted", "not bad at all")
BAD = ("dull", "awful", "a mess", "boring", "badly cut", "not good", "a waste of time")
PLOT = ("the film", "its plot", "the lead", "every scene", "the score", "the ending", "that twist")
REVIEWS = 400


def write_made_up_reviews(data: Path, seed: int = 0) -> None:
    """Write aclImdb/ into a data folder."""
    random = Random(seed)
    for split in ("train", "test"):
        for label, praise in (("pos", GOOD), ("neg", BAD)):
            folder = data / "aclImdb" / split / label
            folder.mkdir(parents=True, exist_ok=True)
            for number in range(REVIEWS // 4):
                review = " ".join(f"{random.choice(PLOT)} is {random.choice(praise)}." for _ in range(4))
                (folder / f"{number}_{split}.txt").write_text(review, encoding="utf-8")
