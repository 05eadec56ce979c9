"""Made-up words and sentences in the real layouts: enough to run every step of a training in seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from random import Random

from training.common.datasets.labelled_texts import Example, write_tagged

SYLLABLES = {
    "en": ("th", "ing", "sh", "ough", "wh", "ee", "ck", "ness", "ly", "wr"),
    "fr": ("eau", "ç", "oux", "ê", "ille", "aient", "qu", "ès", "eur", "dis"),
    "es": ("ción", "ñ", "rr", "ado", "ll", "ía", "que", "ero", "os", "ez"),
}
WORDS, SENTENCES = 400, 60


def write_made_up_words(data: Path, seed: int = 0) -> None:
    """Write words/, words_more/ and sentences.tsv into a data folder."""
    random = Random(seed)
    for name in ("words", "words_more"):
        (data / name).mkdir(parents=True, exist_ok=True)
        for language, syllables in SYLLABLES.items():
            words = {"".join(random.choices(syllables, k=random.randint(2, 5))) for _ in range(WORDS)}
            lines = [f"{word} {random.randint(100, 9999)}\n" for word in sorted(words)]
            (data / name / f"{language}.txt").write_text("".join(lines), encoding="utf-8")
    write_tagged(data / "sentences.tsv", _sentences(random))


def _sentences(random: Random) -> Iterator[Example]:
    for language, syllables in SYLLABLES.items():
        for _ in range(SENTENCES):
            yield Example(" ".join("".join(random.choices(syllables, k=3)) for _ in range(8)), language)
