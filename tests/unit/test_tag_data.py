"""What a tagger learns from: targets by hand, and nothing of the words that are kept away."""

from __future__ import annotations

import numpy as np
import pytest

from training.common.captions.content_words import is_content_word, photos_with, protocol_words
from training.common.datasets.captioned_photos import Photo
from training.common.datasets.labelled_photos import LabelledPhoto
from training.common.intervals import with_interval
from training.common.labels.label_targets import LabelGroup, LabelTargets
from training.tagger.class_labels import read_class_labels
from training.tagger.held_out_words import HeldOutFilter, held_out_labels, same_family, stem
from training.tagger.reduced_rank_ridge import reduced_rank_ridge
from training.tagger.tag_data import caption_labels, count_labels, given_labels, has_labels, is_right
from training.tagger.tag_scores import average_precisions, mean_average_precision, precision_at
from training.tagger.tag_vocabularies import photo_labels

PHOTOS = [
    Photo("a.jpg", "train", (("a", "black", "dog", "runs"), ("the", "black", "dog"), ("a", "dog", "'s", "fountain"))),
    Photo("b.jpg", "train", (("two", "dogs", "at", "fountains"), ("a", "cat"))),
]


def test_function_words_numbers_and_signs_say_nothing() -> None:
    assert [word for word in ("dog", "the", "t-shirt", "'s", "x", "3", "down", "outside") if is_content_word(word)] == [
        "dog", "t-shirt", "outside",
    ]  # fmt: skip


def test_words_are_counted_by_photos_not_by_captions() -> None:
    assert photos_with(PHOTOS, 1)["dog"] == 1
    assert photos_with(PHOTOS, 2) == {"a": 1, "dog": 1, "black": 1}
    assert protocol_words(PHOTOS) == ["black", "dog"]


def test_labels_are_as_true_as_captions_say_them() -> None:
    labels = caption_labels(PHOTOS, HeldOutFilter(()), words=1, phrases=1)
    assert labels[0] in ("dog", "fountain", "dogs", "black", "runs", "two", "cat", "fountains")
    assert {"black dog", "dog runs"} <= set(labels)
    assert not {"the black", "a", "dog 's"} & set(labels)
    counts = count_labels(PHOTOS, ["dog", "black dog", "cat", "red"])
    assert counts.tolist() == [[3, 2, 0, 0], [0, 0, 1, 0]]


@pytest.mark.parametrize(
    ("one", "other", "related"),
    [
        ("climb", "climbing", True),
        ("climber", "climbed", True),
        ("running", "runs", True),
        ("puppies", "puppy", True),
        ("skateboard", "skateboarder", True),
        ("surf", "windsurfing", True),
        ("leaves", "leaf", False),  # not by their letters: neither is held out
        ("dog", "cat", False),
        ("car", "carry", True),  # rather yes than no
        ("hat", "that", False),
    ],
)
def test_forms_of_a_word(one: str, other: str, related: bool) -> None:
    assert same_family(one, other) == same_family(other, one) == related, (stem(one), stem(other))


def test_a_held_out_word_is_kept_away_in_all_its_forms() -> None:
    held_out = HeldOutFilter(["fountain"])
    labels = caption_labels(PHOTOS, held_out, words=1, phrases=1)
    assert "dog" in labels
    assert not any("fountain" in label for label in labels)
    assert not held_out.allows("Water-fountains")
    assert not any("fountain" in label for label in read_class_labels(held_out).labels)


def test_forty_labels_are_held_out_and_the_small_words_in_them_are_not() -> None:
    labels = held_out_labels()
    assert len(labels) == len(set(labels)) == 40
    held_out = HeldOutFilter(labels)
    assert not any(held_out.allows(label) for label in labels)
    assert not any(held_out.allows(label) for label in ("bedrooms", "snowy", "apple", "house cat"))
    assert all(held_out.allows(label) for label in ("dog", "the", "pizza", "banana"))


def test_every_class_has_its_labels_and_those_above() -> None:
    classes = read_class_labels()
    assert len(classes.names) == 1000
    true = {name for name, member in zip(classes.labels, classes.members[207], strict=True) if member}
    assert {"golden retriever", "dog", "animal"} <= true
    assert classes.members.sum(axis=1).min() >= 1
    assert len(set(classes.labels)) == len(classes.labels)


def test_the_vocabulary_photos_is_in_order_and_without_repetition() -> None:
    labels = photo_labels()
    assert labels == sorted(set(labels), key=str.lower)
    assert 2000 < len(labels) < 5000
    assert all(label == label.strip() and len(label) <= 40 for label in labels)


def test_average_precision_by_hand() -> None:
    scores = np.array([[0.9, 0.1, 0.3], [0.8, 0.2, 0.3], [0.7, 0.3, 0.3]])
    truth = np.array([[True, True, False], [False, False, False], [True, False, False]])
    found = average_precisions(scores, truth)
    assert found[0] == pytest.approx((1 + 2 / 3) / 2)
    assert found[1] == pytest.approx(1 / 3)
    assert np.isnan(found[2])
    assert mean_average_precision(scores, truth) == pytest.approx(((1 + 2 / 3) / 2 + 1 / 3) / 2)
    assert precision_at(scores, truth, 1) == pytest.approx(2 / 3)


def test_an_interval_holds_its_value() -> None:
    random = np.random.default_rng(0)
    truth = random.random((200, 3)) < 0.3
    scores = truth + random.normal(size=truth.shape)
    metric = with_interval("map", mean_average_precision, scores, truth, "made up")
    assert metric.low is not None
    assert metric.high is not None
    assert metric.low < metric.value < metric.high
    assert metric.high - metric.low < 0.2


def test_the_start_is_the_best_linear_map_through_few_numbers() -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(400, 12)).astype(np.float32)
    chances = 0.3 + 0.05 * inputs @ random.normal(size=(12, 2)) @ random.normal(size=(2, 9))
    values = np.clip(chances, 0, 1).astype(np.float32)
    rates, everything = values.mean(axis=0), LabelGroup(np.arange(9), np.ones(400, np.float32))
    targets = LabelTargets(tuple("abcdefghi"), values, rates, values.sum(axis=0), (everything,))
    start = reduced_rank_ridge(inputs, targets, size=2, penalty=1.0)
    logits = (inputs @ start.kernel + start.bias) @ start.directions.T + start.biases
    for label in range(9):
        assert np.corrcoef(logits[:, label], chances[:, label])[0, 1] > 0.98
    assert logits.mean(axis=0) == pytest.approx(np.log(rates / (1 - rates)), abs=0.01)


def test_a_label_is_right_if_its_words_stand_side_by_side_or_people_gave_it() -> None:
    asked = np.array([[0, 1, 2], [0, 1, 2]])
    photos = [LabelledPhoto(p.name, "own", "train", labels, False, p.captions) for p, labels in zip(
        PHOTOS, (("bird",), ("black dog",)), strict=True
    )]  # fmt: skip
    found = is_right(photos, ["black dog", "Cat", "dog black"], asked)
    assert found.tolist() == [[True, False, False], [True, True, False]]
    assert given_labels(photos, HeldOutFilter(["bird"]), 1) == ["black dog"]
    assert has_labels(photos, ["bird", "black dog"]).tolist() == [[True, False], [False, True]]
