"""Turn a text into the numbers a model takes, or into an error with a stable code.

Training and the worker both call `prepare_text` with the spec that is stored in the artefact, so a network is asked
about what it learned from. Every text ends either as numbers or as an ItemError: `text_empty` or
`text_no_latin_letters`. What is longer than the spec allows is cut, and the result says so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from core.errors import ItemError
from core.texts.features import CharGrams, Chars, Features, PieceIds, TokenGrams, WordChars, encode

__all__ = [
    "CharGrams", "Chars", "PieceIds", "PreparedText", "TextSpec", "TokenGrams", "WordChars", "pad_batch",
    "prepare_text",
]  # fmt: skip

MAX_CHARS = 10_000
# Control characters stand for a space, as does a lone surrogate; marks nobody sees (soft hyphen, zero width, direction)
# stand for nothing. Spam hides words behind the latter.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029]+")
INVISIBLE = re.compile("[\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufe00-\ufe0f\ufeff]+")
LINE_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
LATIN_LETTER = re.compile("[a-zà-öø-ÿœ]")
QUOTES = str.maketrans("’‘ʼ`´", "'" * 5)


class TextSpec(BaseModel):
    """How a model wants its texts; part of an artefact's manifest.

    Attributes:
        max_chars: longer texts are cut to this many characters before anything else.
        needs: what a text must contain to be judged at all.
        features: what the numbers stand for.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    medium: Literal["text"] = "text"
    max_chars: int = Field(default=MAX_CHARS, ge=1, le=MAX_CHARS)
    needs: Literal["anything", "latin letters"] = "anything"
    features: Features = Field(discriminator="kind")


@dataclass(frozen=True, slots=True)
class PreparedText:
    """A text ready for a model.

    Attributes:
        ids: int32 [length, ...]; 0 is padding. The length is the text's own.
        truncated: whether something was cut off its end.
    """

    ids: NDArray[np.int32]
    truncated: bool


def prepare_text(text: str, spec: TextSpec) -> PreparedText:
    """What a model takes for a text. Safe to call from several threads at once.

    Raises:
        ItemError: `text_empty`, nothing but white space and control characters; `text_no_latin_letters`, where
            the spec needs some.
    """
    kept = text[: spec.max_chars]
    return PreparedText(encode(clean_text(kept, spec), spec.features, kept), len(text) > spec.max_chars)


def clean_text(text: str, spec: TextSpec) -> str:
    """The text normalised; it is no longer than the spec allows.

    Raises:
        ItemError: as `prepare_text`.
    """
    clean = normalise(text)
    if not clean:
        raise ItemError("text_empty", "The text is empty; send some words.")
    if spec.needs == "latin letters" and not LATIN_LETTER.search(clean):
        raise ItemError(
            "text_no_latin_letters",
            "The text has no Latin letters, and this model can only judge languages that are written with them.",
        )
    return clean


def normalise(text: str) -> str:
    """The text without what makes equal texts look different.

    Line breaks of HTML and control characters become a space, invisible characters go, compatibility forms become
    plain letters (NFKC), apostrophes become one kind, case is folded, white space is one space.
    """
    if not text.isascii():
        text = INVISIBLE.sub("", UNPRINTABLE.sub(" ", text))
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).translate(QUOTES).casefold())
    else:
        text = (text if text.isprintable() else UNPRINTABLE.sub(" ", text)).replace("`", "'").lower()
    return " ".join((LINE_BREAK.sub(" ", text) if "<" in text else text).split())


def strip_accents(text: str) -> str:
    """The text as someone types it on a keyboard without accents: "élève" is "eleve", "cœur" is "coeur"."""
    if text.isascii():
        return text
    plain = unicodedata.normalize("NFD", text.replace("œ", "oe").replace("æ", "ae").replace("ß", "ss"))
    return unicodedata.normalize("NFC", "".join(char for char in plain if not unicodedata.combining(char)))


def pad_batch(items: Sequence[NDArray[np.int32]], length: int | None = None) -> NDArray[Any]:
    """Ids of several texts as one array, zeros behind each.

    Args:
        items: int32 [length, ...], of the same form.
        length: of the result; the longest item's unless given.

    Returns:
        int32 [N, length, ...]. Networks ignore the zeros, so the padding does not change a result.
    """
    longest = max(len(item) for item in items) if length is None else length
    batch = np.zeros((len(items), longest, *items[0].shape[1:]), np.int32)
    for row, item in zip(batch, items, strict=True):
        row[: len(item)] = item
    return batch


def padded_length(length: int, shortest: int = 16) -> int:
    """The length a text is padded to: a power of two, so that runtimes see few different shapes."""
    return max(shortest, 1 << (length - 1).bit_length())
