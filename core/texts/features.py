"""Numbers for a normalised text: characters, words, and hashed n-grams of either.

Every hash is written down here, so that it is the same in every process, on every machine and in every version: a
CRC-32 of a word's UTF-8 (zlib), code points for characters, combined by multiplication and mixed by the finaliser of
MurmurHash3 (Appleby, public domain). An id is in 1 ... buckets - 1; 0 is padding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Literal
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Ids = NDArray[np.int32]
Hashes = NDArray[np.uint64]

UNKNOWN = 1  # the id of a character outside the alphabet
# A word with its apostrophe, a number with its separators ("7/10", "1,000"), or a run of one sign ("!!!").
NUMBER_OR_WORD = r"\d+(?:[.,/:]\d+)*|\w+(?:'\w+)*"
TOKEN = re.compile(NUMBER_OR_WORD + r"|([^\w\s])\1*")
SIGNS = [re.escape(sign) for sign in map(chr, range(128)) if not re.match(r"[\w\s]", sign)]
# The same for ASCII, three times as fast: every sign by its name, for want of a group that Python would have to read.
ASCII_TOKEN = re.compile("|".join([NUMBER_OR_WORD, *(f"{sign}{sign}*" for sign in SIGNS)]))
WORD = re.compile(r"\w+(?:['\-.]\w+)*")
PRIME = np.uint64(0x9E3779B97F4A7C15)  # 2^64 / golden ratio
MIX_1, MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)
HALF = np.uint64(33)
ZERO, DIGITS = np.uint64(ord("0")), np.uint64(10)
SURFACE_SIGNS = "£$€!?&/@"
# Added to units, so that words, shapes and surface features do not meet characters in the same hash.
WORDS, SURFACE, SHAPES = np.uint64(1 << 40), np.uint64(1 << 41), np.uint64(1 << 42)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Chars(_Part):
    """Characters in order: int32 [characters + 2], a space before and behind."""

    kind: Literal["chars"] = "chars"
    alphabet: str = Field(min_length=1, description="Ids from 2, in this order; every other character is 1.")


class WordChars(_Part):
    """Characters of each word: int32 [words, width]; a longer word goes on in the next row."""

    kind: Literal["word-chars"] = "word-chars"
    alphabet: str = Field(min_length=1)
    width: int = Field(ge=2, le=64)


class CharGrams(_Part):
    """Hashed n-grams of characters, of words if wanted, and of the text's surface, as a bag: int32 [grams].

    A gram counts once however often it occurs; grams of one character do not cross words, longer ones see the space.
    """

    kind: Literal["char-grams"] = "char-grams"
    buckets: int = Field(ge=2, le=1 << 22)
    chars: tuple[int, ...] = Field(description="Lengths of the n-grams of characters.")
    words: tuple[int, ...] = Field(default=(), description="Lengths of the n-grams of words and signs.")
    shapes: tuple[int, ...] = Field(default=(), description="Lengths of n-grams of characters with every digit as 0.")
    surface: bool = Field(default=False, description="Also features such as how many digits and capitals there are.")


class TokenGrams(_Part):
    """Words in order with the hashed n-grams that end there: int32 [tokens, 1 + orders].

    Column 0 is the word among `words` buckets; column n the n-gram that ends at it among `buckets`, 0 where it has
    occurred before.
    """

    kind: Literal["token-grams"] = "token-grams"
    words: int = Field(ge=2, le=1 << 22)
    buckets: int = Field(ge=2, le=1 << 30, description="A network may keep a part of them in a smaller table.")
    orders: int = Field(ge=1, le=4)


class PieceIds(_Part):
    """Word pieces of the vocabulary in a file of the artefact, a piece a line; see core.texts.word_pieces."""

    kind: Literal["word-pieces"] = "word-pieces"
    vocabulary: str
    longest: int = Field(ge=3, le=512, description="Most pieces of a text, start and end among them.")


Features = Annotated[Chars | WordChars | CharGrams | TokenGrams | PieceIds, Field(discriminator="kind")]


def encode(text: str, features: Features, original: str | None = None) -> Ids:
    """Ids of a normalised text that is not empty; `original` is the text with its capitals.

    Word pieces need their vocabulary and are made by the model that has it: ValueError.
    """
    match features:
        case Chars():
            return char_ids(f" {text} ", features.alphabet)
        case WordChars():
            return word_char_ids(text, features.alphabet, features.width)
        case CharGrams():
            return _bag(text, features, original or text)
        case TokenGrams():
            return _token_grams(text, features)
        case PieceIds():
            raise ValueError("word pieces are made by core.texts.word_pieces")


def char_ids(text: str, alphabet: str) -> Ids:
    """Id of each character, int32 [len(text)]."""
    table = _table(alphabet)
    return table[np.minimum(code_points(text), len(table) - 1)]


def word_char_ids(text: str, alphabet: str, width: int) -> Ids:
    """Characters of each word, int32 [words, width], zeros behind each."""
    words = WORD.findall(text) or [text]
    pieces = [word[at : at + width] for word in words for at in range(0, len(word), width)]
    rows = np.zeros((len(pieces), width), np.int32)
    flat = char_ids("".join(pieces), alphabet)
    lengths = np.array([len(piece) for piece in pieces])
    rows[np.arange(width) < lengths[:, None]] = flat
    return rows


@lru_cache(maxsize=16)
def _table(alphabet: str) -> Ids:
    """From code point to id; the last entry stands for every code point behind it."""
    table = np.full(max(map(ord, alphabet)) + 2, UNKNOWN, np.int32)
    table[[ord(char) for char in alphabet]] = np.arange(2, len(alphabet) + 2)
    return table


def code_points(text: str) -> NDArray[np.uint32]:
    """The code point of each character."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def tokens(text: str) -> list[str]:
    """Words, numbers and runs of signs, in order."""
    if text.isascii():
        return ASCII_TOKEN.findall(text)
    return [match[0] for match in TOKEN.finditer(text)]


def word_hashes(words: Sequence[str]) -> Hashes:
    """Hash of each word."""
    return np.array([crc32(word.encode("utf-8", "surrogatepass")) for word in words], np.uint64)


def mix(hashes: Hashes) -> Hashes:
    """MurmurHash3's 64-bit finaliser: every bit of the result depends on every bit given."""
    hashes = (hashes ^ (hashes >> HALF)) * MIX_1
    hashes = (hashes ^ (hashes >> HALF)) * MIX_2
    return hashes ^ (hashes >> HALF)


def grams(units: Hashes, order: int) -> Hashes:
    """Hash of each n-gram of units, uint64 [len(units) - order + 1], or [0]; orders do not share hashes."""
    count = max(len(units) - order + 1, 0)
    combined = np.full(count, order, np.uint64)
    for at in range(order):
        combined = combined * PRIME + units[at : at + count] + np.uint64(1)
    return mix(combined)


def ids_of(hashes: Hashes, buckets: int) -> Ids:
    """The bucket of each hash."""
    return (hashes % np.uint64(buckets - 1) + np.uint64(1)).astype(np.int32)


def _token_grams(text: str, spec: TokenGrams) -> Ids:
    units = word_hashes(tokens(text))
    table = np.zeros((len(units), 1 + spec.orders), np.int32)
    table[:, 0] = ids_of(mix(units), spec.words)
    for order in range(1, spec.orders + 1):
        found = ids_of(grams(units, order), spec.buckets)
        firsts = np.unique(found, return_index=True)[1]
        table[firsts + order - 1, order] = found[firsts]
    return table


def _bag(text: str, spec: CharGrams, original: str) -> Ids:
    points = code_points(f" {text} ").astype(np.uint64)
    found = [grams(points, order) for order in spec.chars]
    if spec.shapes:
        shape = np.where(points - ZERO < DIGITS, ZERO, points) + SHAPES
        found += [grams(shape, order) for order in spec.shapes]
    if spec.words:
        units = word_hashes(tokens(text)) + WORDS
        found += [grams(units, order) for order in spec.words]
    if spec.surface:
        found.append(mix(word_hashes(surface(original)) + SURFACE))
    return np.unique(ids_of(np.concatenate(found), spec.buckets))


def surface(text: str) -> list[str]:
    """Names of what is striking about a text's form: lengths, digits, capitals and signs, on a rough scale."""
    digits, capitals = sum(map(str.isdigit, text)), sum(map(str.isupper, text))
    return [
        f"length {len(text).bit_length()}",
        f"digits {digits.bit_length()}",
        f"capitals {10 * capitals // max(len(text), 1)}",
        f"longest number {max(map(len, re.findall('[0-9]+', text)), default=0)}",
        *(f"has {sign}" for sign in SURFACE_SIGNS if sign in text),
    ]
