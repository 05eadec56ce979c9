"""Loaders read what people have, and no text is on both sides of a split."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import numpy as np
import pytest

from core.texts.prepare import normalise, strip_accents
from tests.support.made_up import as_jsonl, write_made_up
from training.common.calibration import best_threshold, calibration_error, logistic_regression, vector_scaling
from training.common.datasets.labelled_texts import Example, read_tagged, without_duplicates, write_tagged
from training.common.intervals import proportion
from training.language.language_data import LANGUAGES, hundredth, load_language, made_up_sentences, read_word_counts
from training.sentiment.sentiment_data import load_sentiment, read_aclimdb, read_reviews
from training.spam.spam_data import load_spam


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made-up")
    write_made_up(folder)
    return folder


def test_both_layouts_of_reviews_are_read(data: Path, tmp_path: Path) -> None:
    reviews = list(read_aclimdb(data / "aclImdb"))
    assert {review.split for review in reviews} == {"train", "test"}
    assert {review.label for review in reviews} == {"positive", "negative"}
    plain, packed = tmp_path / "r.jsonl", tmp_path / "r.jsonl.gz"
    plain.write_text(as_jsonl(iter(reviews)), encoding="utf-8")
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert list(read_reviews(plain)) == list(read_reviews(packed)) == list(read_reviews(data / "aclImdb"))


def test_tagged_lines(tmp_path: Path) -> None:
    path = tmp_path / "SMSSpamCollection"
    examples = [Example("now or never £5 \x85 \u2028", "spam"), Example('"quoted"', "ham")]
    write_tagged(path, examples)
    assert [example.text for example in read_tagged(path)] == ["now or never £5", '"quoted"']
    path.write_text("ham no tab\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        list(read_tagged(path))


def test_word_counts(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("Été 3\nété 2\nde 7\n \u200b 1\n", encoding="utf-8")
    assert read_word_counts(path) == {"été": 5, "de": 7}


def test_duplicates_are_dropped_however_they_are_written() -> None:
    examples = [Example("Call NOW", "spam"), Example("call  now", "spam"), Example("else", "ham")]
    assert without_duplicates(examples) == [examples[0], examples[2]]


def test_reviews_do_not_cross_the_split(data: Path) -> None:
    reviews = load_sentiment(data / "aclImdb", 0.2, seed=3)
    parts = [{normalise(r.text) for r in part} for part in (reviews.train, reviews.validation, reviews.test)]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]
    assert reviews == load_sentiment(data / "aclImdb", 0.2, seed=3)
    assert reviews.train != load_sentiment(data / "aclImdb", 0.2, seed=4).train


def test_words_do_not_cross_the_split_in_any_spelling(data: Path) -> None:
    words = load_language(data)
    learnt = {strip_accents(word) for word in words.words}
    for part in (words.validation, words.test):
        assert part
        bare = {strip_accents(example.text) for example in part}
        assert not bare & learnt
        sentences = {strip_accents(piece) for example in words.sentences for piece in example.text.split()}
        assert not bare & sentences
    assert hundredth("élève") == hundredth("eleve")


def test_made_up_sentences_are_of_learnt_words(data: Path) -> None:
    words = load_language(data)
    made = made_up_sentences(words, 30, np.random.default_rng(0))
    assert [sum(example.label == language for example in made) for language in LANGUAGES] == [10, 10, 10]
    assert {piece for example in made for piece in example.text.split()} <= set(words.words)


def test_longer_lists_are_learnt_from_but_no_test_word_is(data: Path, tmp_path: Path) -> None:
    words = load_language(data)
    hidden = sorted({strip_accents(example.text) for example in (*words.validation, *words.test)})
    assert words.more_words
    assert np.allclose(words.more_shares.sum(axis=1), 1)
    shutil.copytree(data, tmp_path, dirs_exist_ok=True)
    for language in LANGUAGES:
        lines = f"{hidden[0]} 9\n{hidden[1].upper()} 9\n{hidden[2]}'s 9\nbonjour-{hidden[3]} 9\nnewcomer 9\n"
        (tmp_path / "words_more" / f"{language}.txt").write_text(lines, encoding="utf-8")
    assert load_language(tmp_path).more_words == ("newcomer",)
    shutil.rmtree(tmp_path / "words_more")
    without = load_language(tmp_path)
    assert without.more_words == ()
    assert (without.test, without.validation, without.words) == (words.test, words.validation, words.words)


def test_messages_are_in_one_fold_only(data: Path) -> None:
    messages = load_spam(data / "sms_spam.tsv", 5)
    assert len({normalise(message.text) for message in messages.messages}) == len(messages.messages)
    assert set(messages.folds) == set(range(5))


def test_scores() -> None:
    metric = proportion("accuracy", 95, 100, "here")
    assert (metric.value, metric.low, metric.high) == (0.95, 0.8882, 0.9785)
    assert calibration_error(np.array([0.9] * 10), np.array([True] * 9 + [False])) == pytest.approx(0)
    scores, spam = np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, True, False, True])
    assert best_threshold(scores, spam, 0.99) == pytest.approx(0.75)
    assert best_threshold(scores, spam, 0.75) == pytest.approx(0.3)
    with pytest.raises(ValueError, match="no threshold"):
        best_threshold(scores, ~spam, 0.99)


def test_calibration_finds_the_scale() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(size=20_000) * 2
    labels = random.random(20_000) < 1 / (1 + np.exp(-(0.5 * logits + 1)))
    assert logistic_regression(logits[:, None], labels) == pytest.approx([0.5, 1.0], abs=0.06)
    columns = np.stack([np.zeros(20_000), logits], axis=1)
    drawn = (random.random(20_000) < 1 / (1 + np.exp(-0.5 * logits - 1))).astype(int)
    factor, first, second = vector_scaling(columns, drawn)
    assert (factor, second - first) == pytest.approx((0.5, 1.0), abs=0.06)
