"""Made-up data in the real layouts: enough to run every step of a training in seconds, and to learn something from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

from training.common.datasets.labelled_texts import Example, write_tagged

GOOD = ("lovely", "superb", "moving", "funny", "a joy", "well acted", "not bad at all")
BAD = ("dull", "awful", "a mess", "boring", "badly cut", "not good", "a waste of time")
PLOT = ("the film", "its plot", "the lead", "every scene", "the score", "the ending", "that twist")
PRIZE = ("win a prize", "call 0800", "free entry", "claim now", "cash", "txt STOP", "£100")
CHAT = ("see you", "at home", "later", "ok", "lunch", "mum says hi", "running late", "lol")
SYLLABLES = {
    "en": ("th", "ing", "sh", "ough", "wh", "ee", "ck", "ness", "ly", "wr"),
    "fr": ("eau", "ç", "oux", "ê", "ille", "aient", "qu", "ès", "eur", "dis"),
    "es": ("ción", "ñ", "rr", "ado", "ll", "ía", "que", "ero", "os", "ez"),
}
WORDS, REVIEWS, MESSAGES, SENTENCES = 400, 400, 300, 60


def write_made_up(folder: Path, seed: int = 0) -> None:
    """Write aclImdb/, sms_spam.tsv, words/, words_more/ and sentences.tsv."""
    random = Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    _reviews(folder / "aclImdb", random)
    write_tagged(folder / "sms_spam.tsv", list(_messages(random)))
    for name in ("words", "words_more"):
        (folder / name).mkdir(exist_ok=True)
        for language, syllables in SYLLABLES.items():
            words = {"".join(random.choices(syllables, k=random.randint(2, 5))) for _ in range(WORDS)}
            lines = [f"{word} {random.randint(100, 9999)}\n" for word in sorted(words)]
            (folder / name / f"{language}.txt").write_text("".join(lines), encoding="utf-8")
    write_tagged(folder / "sentences.tsv", list(_sentences(random)))


def _reviews(folder: Path, random: Random) -> None:
    for split in ("train", "test"):
        for label, praise in (("pos", GOOD), ("neg", BAD)):
            (folder / split / label).mkdir(parents=True, exist_ok=True)
            for number in range(REVIEWS // 4):
                said = " ".join(f"{random.choice(PLOT)} is {random.choice(praise)}." for _ in range(4))
                (folder / split / label / f"{number}_{split}.txt").write_text(said, encoding="utf-8")


def _messages(random: Random) -> Iterator[Example]:
    for number in range(MESSAGES):
        spam = number % 4 == 0
        yield Example(" ".join(random.choices(PRIZE if spam else CHAT, k=5)), "spam" if spam else "ham")


def _sentences(random: Random) -> Iterator[Example]:
    for language, syllables in SYLLABLES.items():
        for _ in range(SENTENCES):
            yield Example(" ".join("".join(random.choices(syllables, k=3)) for _ in range(8)), language)


def as_jsonl(reviews: Iterator[Example]) -> str:
    """Reviews in the layout of JSON lines."""
    rows = ({"text": r.text, "label": r.label[:3], "split": r.split} for r in reviews)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
