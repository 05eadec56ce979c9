"""Many texts at once are the numbers that each alone is, and batches of them hold nothing else."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from core.errors import ItemError
from core.texts.features import TOKEN, surface, tokens, word_hashes
from core.texts.padded import bag_batches, padded_batches
from core.texts.prepare import (
    MAX_CHARS,
    CharGrams,
    Chars,
    PreparedText,
    TextSpec,
    TokenGrams,
    WordChars,
    normalise,
    prepare_text,
)
from core.texts.prepare_many import prepare_texts
from core.texts.prepared import PreparedTexts
from core.texts.token_hashes import KEPT, token_hashes
from tests.unit.test_text import HORRORS

FEATURES = (
    Chars(alphabet="abc é"),
    WordChars(alphabet="abc é", width=4),
    CharGrams(buckets=1 << 17, chars=(1, 2, 3, 4, 5), words=(1, 2), shapes=(2, 3, 4, 5), surface=True),
    CharGrams(buckets=1 << 22, chars=(1, 3, 6)),
    CharGrams(buckets=1_000, chars=(1, 2)),
    CharGrams(buckets=2, chars=(2,), words=(3,)),
    TokenGrams(words=1 << 15, buckets=1 << 30, orders=4),
    TokenGrams(words=2, buckets=2, orders=2),
)
# What texts are made of: digits of several scripts, capitals, signs that count and signs that do not, unseen marks.
PIECES = (
    *"aZé1²٣Ⅷ0£$€!?&/@'’`-._#\\\"<>", "<br/>", "don't", "7/10", "1,000.5", "FREE", "ﬁ", "ǅ", "\u0301", "日本", "🙂",
    "\x00", "\u200b", "\ud800", "\x1f", " ", "  ", "\n", "not bad not bad", "!!!", "?!?", "___", "a_1",
)  # fmt: skip


def made_up(count: int) -> list[str]:
    random = Random(0)
    texts = ["".join(random.choices(PIECES, k=random.randint(0, 40))) for _ in range(count)]
    return [*texts, *HORRORS, "", "x", "£" * 70, "9" * 300, "a " * 20_000]


def one_by_one(texts: list[str], spec: TextSpec) -> tuple[dict[int, PreparedText], dict[int, ItemError]]:
    found, errors = dict[int, PreparedText](), dict[int, ItemError]()
    for place, text in enumerate(texts):
        try:
            found[place] = prepare_text(text, spec)
        except ItemError as error:
            errors[place] = error
    return found, errors


@pytest.mark.parametrize("features", FEATURES, ids=lambda features: str(features)[:40])
@pytest.mark.parametrize("needs", ["anything", "latin letters"])
def test_many_texts_are_what_each_alone_is(features: object, needs: str) -> None:
    """Also at the seams between texts, and between the slices in which they are hashed."""
    spec = TextSpec.model_validate({"features": features, "needs": needs, "max_chars": MAX_CHARS})
    texts = made_up(400)
    wanted, wanted_errors = one_by_one(texts, spec)
    prepared, errors = prepare_texts(texts, spec)
    assert {place: error.code for place, error in errors.items()} == {
        place: error.code for place, error in wanted_errors.items()
    }
    assert len(prepared) == len(wanted)
    assert prepared.ids.dtype == np.int32
    for at, one in enumerate(wanted.values()):
        found = prepared[at : at + 1]
        assert np.array_equal(found.ids, one.ids)
        assert found.truncated.tolist() == [one.truncated]


def test_no_texts_are_no_ids() -> None:
    for features in FEATURES:
        spec = TextSpec.model_validate({"features": features})
        prepared, errors = prepare_texts(["", " "], spec)
        assert (len(prepared), len(prepared.ids), set(errors)) == (0, 0, {0, 1})


def test_the_short_cut_for_ascii_finds_the_same_tokens() -> None:
    everything = "".join(map(chr, range(128)))
    for text in (everything, everything * 2, "".join(2 * sign for sign in everything), *made_up(300)):
        assert tokens(text) == [match.group() for match in TOKEN.finditer(text)]


def test_hashes_of_tokens_are_those_of_each_text_however_many_there_were_before() -> None:
    texts = [normalise(text) for text in made_up(200) if normalise(text)]
    texts += [f"w{number}" for number in range(KEPT + 10)]  # more than are kept
    hashes, counts = token_hashes(texts)
    each = [tokens(text) for text in texts]
    assert counts.tolist() == [len(some) for some in each]
    assert np.array_equal(hashes, word_hashes([token for some in each for token in some]))
    assert surface("£5 OFF")  # the names whose hashes `test_many_texts_are_what_each_alone_is` compares


def test_parts_of_texts_are_cut_joined_and_picked() -> None:
    spec = TextSpec(features=TokenGrams(words=1 << 10, buckets=1 << 12, orders=2))
    texts = ["a", "b c", "d e f", "g", "h i"]
    all_of_them, _ = prepare_texts(texts, spec)
    first, second = all_of_them[:2], all_of_them[2:]
    joined = PreparedTexts.join([second, first, all_of_them[1:1]])
    picked = all_of_them.only(np.array([True, False, True, False, True]))
    for found, wanted in ((joined, texts[2:] + texts[:2]), (picked, texts[::2]), (all_of_them[3:3], [])):
        again, _ = prepare_texts(wanted, spec)
        assert np.array_equal(found.ids, again.ids)
        assert found.ends.tolist() == again.ends.tolist()
        assert len(found) == len(found.truncated) == len(wanted)


@pytest.mark.parametrize("cells", [16, 64, 1 << 12])
def test_batches_hold_every_text_once_in_few_shapes_and_are_not_large(cells: int) -> None:
    spec = TextSpec(features=Chars(alphabet="abc"))
    random = Random(1)
    texts = ["a" + "b" * random.randint(0, 200) for _ in range(100)]
    prepared, _ = prepare_texts(texts, spec)
    seen: list[int] = []
    for places, ids in padded_batches(prepared, cells):
        rows, length = ids.shape
        assert rows & (rows - 1) == 0 == length & (length - 1)
        assert rows == 1 or rows * length <= cells
        assert not ids[len(places) :].any()
        for place, row in zip(places.tolist(), ids, strict=False):
            alone = prepared[place : place + 1].ids
            assert np.array_equal(row[: len(alone)], alone)
            assert not row[len(alone) :].any()
            assert length <= max(16, 2 * len(alone))
        seen += places.tolist()
    assert sorted(seen) == list(range(100))


@pytest.mark.parametrize("cells", [16, 256, 1 << 12])
def test_batches_of_bags_hold_every_text_once_with_little_padding(cells: int) -> None:
    random = Random(1)
    texts = ["a" + "b" * random.randint(0, 200) for _ in range(100)]
    prepared, _ = prepare_texts(texts, TextSpec(features=Chars(alphabet="abc")))
    seen: list[int] = []
    for places, ids in bag_batches(prepared, cells):
        assert len(places) == len(ids)
        assert len(places) == 1 or ids.size <= cells
        assert ids.shape[1] < int(prepared.lengths[places].max()) + 16
        for place, row in zip(places.tolist(), ids, strict=True):
            alone = prepared[place : place + 1].ids
            assert np.array_equal(row[: len(alone)], alone)
            assert not row[len(alone) :].any()
        seen += places.tolist()
    assert sorted(seen) == list(range(100))
    assert list(bag_batches(prepared[:0], cells)) == []
