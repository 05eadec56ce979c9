"""More words of English, French and Spanish to learn from, with their frequencies.

    python -m training.language.more_words --wheel wordfreq-3.1.1-py3-none-any.whl --out DATA/words_more

The wheel is the Python package wordfreq 3.1.1 (Speer, 2022, https://doi.org/10.5281/zenodo.7199437): some 300,000 words
a language from encyclopaedias, subtitles, news, books and the web; its data is CC-BY-SA-4.0. Only training reads them,
and only those that are not in a test or validation split in any spelling, see `language_data`.
"""

from __future__ import annotations

import argparse
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

LANGUAGES = ("en", "fr", "es")
UNIT = 1e9  # counts are for so many words of running text
LEAST = 1  # words that would be counted less often are left out


def word_counts(packed: bytes) -> Iterator[tuple[str, int]]:
    """Words and their counts in 1e9 words of a gzipped list in wordfreq's format "cB".

    The file is MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md): a header, then one list of words
    for each hundredth of a decade of frequency, the commonest first.

    Raises:
        ValueError: it is of another format.
    """
    header, *lists = _value(memoryview(gzip.decompress(packed)), 0)[0]
    if header != {"format": "cB", "version": 1}:
        raise ValueError(f"a list of the format {header} cannot be read")
    for centibels, words in enumerate(lists):
        count = round(UNIT * 10 ** (-centibels / 100))
        if count >= LEAST:
            yield from ((word, count) for word in words)


def _value(data: memoryview, at: int) -> tuple[Any, int]:
    """One value, and where the next one starts; of the kinds that word lists have."""
    kind = data[at]
    at += 1
    if kind < 0x80:
        return kind, at
    if kind < 0x90:
        items, at = _values(data, at, 2 * (kind & 0x0F))
        return dict(zip(items[::2], items[1::2], strict=True)), at
    if kind < 0xA0:
        return _values(data, at, kind & 0x0F)
    if kind < 0xC0:
        return _text(data, at, kind & 0x1F)
    for base, read in ((0xD9, _text), (0xDB, _values)):
        width = {0xD9: 1, 0xDA: 2, 0xDC: 2, 0xDD: 4}.get(kind, 0)
        if width and (kind < 0xDC) == (base == 0xD9):
            return read(data, at + width, int.from_bytes(data[at : at + width], "big"))
    raise ValueError(f"a word list has no values of kind {kind:#x}")


def _values(data: memoryview, at: int, count: int) -> tuple[list[Any], int]:
    items = []
    for _ in range(count):
        item, at = _value(data, at)
        items.append(item)
    return items, at


def _text(data: memoryview, at: int, size: int) -> tuple[str, int]:
    return bytes(data[at : at + size]).decode(), at + size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True, help="wordfreq's wheel")
    parser.add_argument("--out", type=Path, required=True, help="folder for {en,fr,es}.txt, WORD SPACE COUNT a line")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    with ZipFile(arguments.wheel) as wheel:
        for language in LANGUAGES:
            counts = dict(word_counts(wheel.read(f"wordfreq/data/large_{language}.msgpack.gz")))
            lines = [f"{word} {count}\n" for word, count in counts.items()]
            (arguments.out / f"{language}.txt").write_text("".join(lines), encoding="utf-8")
            print(f"{language}: {len(lines)} words")


if __name__ == "__main__":
    main()
