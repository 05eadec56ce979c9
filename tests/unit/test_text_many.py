"""Encoding many texts at once gives what encoding each gives, and long word lists are read as they were written."""

from __future__ import annotations

import gzip
from random import Random

import numpy as np
import pytest

from core.errors import ItemError
from core.texts.prepare import CharGrams, Chars, TextSpec, prepare_text
from training.language.encode_many import encode_many
from training.language.more_words import word_counts

BAG = TextSpec(features=CharGrams(buckets=1 << 12, chars=(1, 2, 3, 4, 5, 6)))
LETTERS = "abc é\u0301ñŒß'-7🙂日\n"


@pytest.mark.parametrize(
    "spec",
    [
        BAG,
        TextSpec(features=CharGrams(buckets=1 << 12, chars=(1, 3), words=(1,), surface=True)),
        TextSpec(features=Chars(alphabet="abc é")),
    ],
    ids=["characters", "words too", "in order"],
)
def test_many_are_encoded_as_each_alone(spec: TextSpec) -> None:
    random = Random(0)
    texts = ["a", *("x" + "".join(random.choices(LETTERS, k=random.randint(1, 30))) for _ in range(300)), "b" * 900]
    for text, found in zip(texts, encode_many(texts, spec), strict=True):
        assert found.dtype == np.int32
        assert np.array_equal(found, prepare_text(text, spec).ids), text
    assert encode_many([], spec) == []


def test_many_have_the_same_codes() -> None:
    with pytest.raises(ItemError, match="text_empty"):
        encode_many(["a", " "], BAG)
    with pytest.raises(ItemError, match="text_no_latin_letters"):
        encode_many(["a", "日本"], BAG.model_copy(update={"needs": "latin letters"}))
    long = "ab" * 6_000
    assert np.array_equal(encode_many([long], BAG)[0], prepare_text(long, BAG).ids)


def test_word_lists_by_frequency_are_read() -> None:
    long, many = "l" * 40, [f"w{at}" for at in range(20)]
    header = b"\x82\xa6format\xa2cB\xa7version\x01"
    first = b"\x91\xa2de"
    second = b"\x92\xd9\x28" + long.encode() + b"\xa3\xc3\xa9t"
    third = b"\xdc\x00\x14" + b"".join(bytes([0xA0 | len(word)]) + word.encode() for word in many)
    packed = gzip.compress(b"\x94" + header + first + second + third)
    counts = dict(word_counts(packed))
    assert list(counts) == ["de", long, "ét", *many]
    assert counts["de"] == 1_000_000_000
    assert counts[long] == pytest.approx(1e9 * 10**-0.01, rel=1e-6)
    with pytest.raises(ValueError, match="format"):
        list(word_counts(gzip.compress(b"\x91\x81\xa6format\xa1x")))
    with pytest.raises(ValueError, match="0xc3"):
        list(word_counts(gzip.compress(b"\xc3")))
