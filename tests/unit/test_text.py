"""Texts become the same numbers everywhere, and nothing that a stranger sends gets past without a result or a code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from core.errors import ItemError
from core.texts.features import grams, tokens
from core.texts.prepare import (
    CharGrams,
    Chars,
    TextSpec,
    TokenGrams,
    WordChars,
    normalise,
    pad_batch,
    padded_length,
    prepare_text,
    strip_accents,
)

ROOT = Path(__file__).resolve().parent.parent.parent
FEATURES = (
    Chars(alphabet="abc é"),
    WordChars(alphabet="abc é", width=4),
    CharGrams(buckets=1 << 12, chars=(1, 2, 3), words=(1, 2), shapes=(2, 3), surface=True),
    TokenGrams(words=1 << 10, buckets=1 << 12, orders=3),
)
GOLDEN_BAG = [
    2449,
    4822,
    5280,
    6499,
    18745,
    18787,
    25844,
    27921,
    29222,
    35309,
    41453,
    41871,
    44809,
    45892,
    50126,
    50561,
    51609,
    53012,
    56600,
    58797,
]
GOLDEN_ROWS = [[23843, 462252, 0, 0], [23057, 47839, 307053, 0], [23843, 0, 279251, 1047103], [23057, 0, 0, 582288]]
GOLDEN_GRAMS = [3686104062410273220, 62114674686976324]
HORRORS = (
    "a",
    "\x00\x01a\x7f",
    "👩‍👩‍👧‍👦 🇫🇷",
    "\ud800 lone surrogate \udfff",
    "z̸̡̢a̷l̴g̵o̶" * 50,
    "ﷺ" * 9_999,
    "ı̇İẞßſ",
    "日本語のテキスト",
    "مرحبا بالعالم",
    "\u202eesrever\u202c",
    "\u200b\u200bzero\u200b",
    "!" * 10_000,
    "0" * 10_000,
    "a" * 10_000,
    "a " * 5_000,
    "'-.",
    "\U0010ffff",
    "<br /><br />",
)


@pytest.mark.parametrize("features", FEATURES, ids=lambda features: features.kind)
@pytest.mark.parametrize("text", HORRORS, ids=ascii)
def test_every_text_has_numbers_in_range_or_a_code(features: object, text: str) -> None:
    spec = TextSpec.model_validate({"features": features})
    if not normalise(text):
        with pytest.raises(ItemError, match="text_empty"):
            prepare_text(text, spec)
        return
    prepared = prepare_text(text, spec)
    assert prepared.ids.dtype == np.int32
    assert len(prepared.ids) > 0
    assert prepared.ids.min() >= 0
    assert prepared.ids.max() < 1 << 12
    assert (prepared.ids.reshape(len(prepared.ids), -1).max(axis=1) > 0).all(), "a row of padding inside a text"
    assert not prepared.truncated


@pytest.mark.parametrize("text", ["", " \n\t", "\x00\x1f", "\u200b\ufeff", "<br>"])
def test_nothing_is_an_error_of_the_item(text: str) -> None:
    with pytest.raises(ItemError, match="text_empty"):
        prepare_text(text, TextSpec(features=FEATURES[0]))


@pytest.mark.parametrize("text", ["12345", "?!", "😀", "привет", "日本語"])
def test_language_needs_latin_letters(text: str) -> None:
    with pytest.raises(ItemError, match="text_no_latin_letters"):
        prepare_text(text, TextSpec(needs="latin letters", features=FEATURES[0]))
    assert len(prepare_text(text, TextSpec(features=FEATURES[0])).ids)


@pytest.mark.parametrize("features", FEATURES, ids=lambda features: features.kind)
def test_longer_is_cut_and_says_so(features: object) -> None:
    spec = TextSpec.model_validate({"features": features, "max_chars": 20})
    whole, cut = prepare_text("word " * 4, spec), prepare_text("word " * 4 + "and more", spec)
    assert (whole.truncated, cut.truncated) == (False, True)
    assert np.array_equal(whole.ids, cut.ids)
    with pytest.raises(ValidationError):
        TextSpec.model_validate({"features": features, "max_chars": 10_001})


def test_equal_texts_look_equal() -> None:
    composed, decomposed = "Élève", "E\u0301le\u0300ve"
    assert normalise(composed) == normalise(decomposed) == "élève"
    assert normalise("Ｆｕｌｌ ｗｉｄｔｈ") == "full width"
    assert normalise("don’t") == normalise("don't")
    assert normalise("a\u00a0b\r\n c<br />d") == "a b c d"
    assert normalise("fr\u200bee") == "free"
    assert normalise("STRASSE") == normalise("straße")


def test_ascii_takes_a_short_cut_to_the_same_place() -> None:
    text = "A `quoted` \x00 text\twith <BR/> breaks, I'd say: IT IS 7/10!!"
    assert normalise(text) == normalise(text + "é")[:-1]


def test_accents_are_stripped() -> None:
    assert strip_accents("élève cœur niño straße") == "eleve coeur nino strasse"


def test_tokens() -> None:
    assert tokens("it's 7/10, or 1,000!!! :-)") == ["it's", "7/10", ",", "or", "1,000", "!!!", ":", "-", ")"]


def test_hashes_never_change() -> None:
    """Golden values: an artefact that was trained with these must find them again."""
    bag = CharGrams(buckets=1 << 16, chars=(1, 2), words=(1,), shapes=(2,), surface=True)
    assert prepare_text("Hi 5", TextSpec(features=bag)).ids.tolist() == GOLDEN_BAG
    rows = TokenGrams(words=1 << 15, buckets=1 << 20, orders=3)
    assert prepare_text("not bad not bad", TextSpec(features=rows)).ids.tolist() == GOLDEN_ROWS
    words = WordChars(alphabet="abé", width=2)
    assert prepare_text("ab éxa", TextSpec(features=words)).ids.tolist() == [[2, 3], [4, 1], [2, 0]]
    chars = Chars(alphabet="abé ")
    assert prepare_text("éz", TextSpec(features=chars)).ids.tolist() == [5, 4, 1, 5]
    assert grams(np.array([1, 2, 3], np.uint64), 2).tolist() == GOLDEN_GRAMS


def test_hashes_do_not_depend_on_the_process() -> None:
    code = (
        "from core.texts.prepare import *\n"
        "spec = TextSpec(features=TokenGrams(words=999, buckets=9999, orders=2))\n"
        "print(prepare_text('un café noir', spec).ids.tolist())"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert len(runs) == 1


def test_an_n_gram_counts_once() -> None:
    ids = prepare_text("a b a b", TextSpec(features=TokenGrams(words=99, buckets=9999, orders=2))).ids
    assert (ids[:, 1] > 0).tolist() == [True, True, False, False]
    assert (ids[:, 2] > 0).tolist() == [False, True, True, False]


def test_padding() -> None:
    batch = pad_batch([np.array([1, 2], np.int32), np.array([3], np.int32)], 4)
    assert batch.tolist() == [[1, 2, 0, 0], [3, 0, 0, 0]]
    assert [padded_length(length) for length in (1, 16, 17, 1000)] == [16, 16, 32, 1024]


def test_a_spec_survives_the_manifest() -> None:
    for features in FEATURES:
        spec = TextSpec.model_validate({"features": features})
        assert TextSpec.model_validate_json(spec.model_dump_json()) == spec
