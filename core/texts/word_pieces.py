"""Cut a text into the word pieces of BERT's uncased vocabulary.

The rules are those of the original tokenizer (Devlin et al., 2019, arXiv:1810.04805): characters that say nothing go,
accents and case go, punctuation and Chinese characters stand alone, and each word is the longest pieces that the
vocabulary has, from the left. Safe to call from several threads at once.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

PAD, START, END, UNKNOWN = "[PAD]", "[CLS]", "[SEP]", "[UNK]"
LONGEST_WORD = 100  # characters; a longer word is one unknown piece
CHINESE = (
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F), (0x2B920, 0x2CEAF), (0xF900, 0xFAFF), (0x2F800, 0x2FA1F),
)  # fmt: skip


class WordPieces:
    """Texts to ids of a vocabulary."""

    def __init__(self, pieces: Sequence[str]) -> None:
        """`pieces`: the vocabulary; a piece's place is its id, and "##" marks one that goes on with a word.

        Raises:
            ValueError: one of the four special pieces is missing, or padding is not 0.
        """
        self._ids = {piece: at for at, piece in enumerate(pieces)}
        missing = [piece for piece in (PAD, START, END, UNKNOWN) if piece not in self._ids]
        if missing or self._ids[PAD] != 0:
            raise ValueError(f"not a vocabulary of word pieces: {', '.join(missing) or 'padding is not the first'}")

    @classmethod
    def read(cls, path: Path) -> WordPieces:
        """The vocabulary of a file with a piece a line."""
        return cls(path.read_text(encoding="utf-8").removesuffix("\n").split("\n"))

    def encode(self, text: str, longest: int = 128) -> list[int]:
        """Ids of a text, between those of start and end; at most `longest` with both, the rest is cut off."""
        ids = [at for word in split_words(text) for at in self._pieces(word)]
        return [self._ids[START], *ids[: longest - 2], self._ids[END]]

    def knows(self, text: str) -> bool:
        """Whether any of a text is known: not one that is all of another script, or signs such as emoji."""
        return any(at != self._ids[UNKNOWN] for word in split_words(text) for at in self._pieces(word))

    def _pieces(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return [self._ids[UNKNOWN]]
        found: list[int] = []
        start = 0
        while start < len(word):
            mark = "##" if start else ""
            ends = range(len(word), start, -1)
            end = next((end for end in ends if mark + word[start:end] in self._ids), None)
            if end is None:
                return [self._ids[UNKNOWN]]
            found.append(self._ids[mark + word[start:end]])
            start = end
        return found


def split_words(text: str) -> list[str]:
    """Words and single marks of punctuation, without accents, in lower case."""
    clean = "".join(_kept(char) for char in text)
    plain = "".join(char for char in unicodedata.normalize("NFD", clean) if unicodedata.category(char) != "Mn")
    spaced = "".join(f" {char} " if _is_punctuation(char) else char for char in plain.lower())
    return spaced.split()


def _kept(char: str) -> str:
    """What stands for a character: itself, a space, nothing, or itself between spaces."""
    if char in "\t\n\r":
        return " "
    if char == "\ufffd" or unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs"):
        return ""
    if char.isspace():
        return " "
    return f" {char} " if any(low <= ord(char) <= high for low, high in CHINESE) else char


def _is_punctuation(char: str) -> bool:
    """Punctuation of Unicode, and every other mark of ASCII: "$", "+" and "^" too."""
    ascii_mark = char.isascii() and char.isprintable() and not char.isalnum() and char != " "
    return ascii_mark or unicodedata.category(char)[0] == "P"
