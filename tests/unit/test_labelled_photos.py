"""Photos with labels: the layouts people have, splits that stay, and what an absent label says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.common.datasets.labelled_photos import LabelledPhoto, read_labelled_photos, read_labelled_texts
from training.common.datasets.photo_sets import labelled_texts, photo_sets
from training.common.datasets.splits import Unsplit, splits_of
from training.common.labels.label_targets import LEFT_OUT, UNKNOWN, label_targets


def photos_in(folder: Path, *names: str) -> Path:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / "images" / name)
    return folder


def test_two_tables_are_one_list_of_photos(tmp_path: Path) -> None:
    folder = photos_in(tmp_path, "a.jpg", "b.jpg", "c.jpg")
    (folder / "captions.csv").write_text(
        'file,caption\na.jpg,"A dog, black."\na.jpg,It runs\nb.jpg,Two cats\ngone.jpg,Nothing\n', encoding="utf-8-sig"
    )
    (folder / "labels.csv").write_text("file,label\nb.jpg,Cat\nb.jpg,cat\nc.jpg,beach\n", encoding="utf-8")
    found = {photo.name: photo for photo in read_labelled_photos(folder)}
    assert list(found) == ["a.jpg", "b.jpg", "c.jpg"]
    assert found["a.jpg"].captions == (("a", "dog", "black"), ("it", "runs"))
    assert found["b.jpg"].labels == ("cat",)
    assert found["c.jpg"].captions == ()
    assert not found["b.jpg"].complete


@pytest.mark.parametrize(
    ("table", "text", "says"),
    [
        ("captions.csv", "photo,caption\na.jpg,x\n", "file,caption"),
        ("captions.csv", "file,caption\na.jpg,\n", "captions.csv:2"),
        ("labels.csv", "file;label\na.jpg;x\n", "file,label"),
        ("items.json", "{}", "not a list"),
        ("items.json", '[{"captions": []}]', "entry 0 names no file"),
        ("items.json", "[", "not JSON"),
    ],
)
def test_a_broken_table_says_where(tmp_path: Path, table: str, text: str, says: str) -> None:
    photos_in(tmp_path, "a.jpg")
    (tmp_path / table).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        read_labelled_photos(tmp_path)


def test_photos_with_five_captions_are_measured_on_and_a_photo_keeps_its_split() -> None:
    photos = [Unsplit(f"{at}.jpg", 5 if at % 2 else 1, (), "") for at in range(2000)]
    splits = dict(zip((photo.name for photo in photos), splits_of(photos), strict=True))
    fives = [splits[photo.name] for photo in photos if photo.captions == 5]
    assert (fives.count("test"), fives.count("val")) == (300, 200)
    assert {splits[photo.name] for photo in photos if photo.captions == 1} == {"train"}
    assert splits_of(photos[::-1]) == splits_of(photos)[::-1]
    fewer = dict(zip((photo.name for photo in photos[:1500]), splits_of(photos[:1500]), strict=True))
    assert all(splits[name] == "test" or split != "test" for name, split in fewer.items() if splits[name] != "val")


def test_few_photos_are_split_too_and_rare_labels_are_learnt() -> None:
    photos = [Unsplit(f"{at}.jpg", 1, ("rare",) if at < 9 else (), "") for at in range(200)]
    splits = splits_of(photos)
    assert set(splits[:9]) == {"train"}
    assert 8 < splits.count("test") < 35
    assert 3 < splits.count("val") < 25
    assert splits_of([Unsplit("a.jpg", 0, (), "val")]) == ["val"]


def test_captions_without_a_photo_leave_out_images_that_may_be_measured_on(tmp_path: Path) -> None:
    folder = photos_in(tmp_path / "everyday", "a.jpg", "b.jpg")
    entries = [
        {"file": "a.jpg", "captions": ["A red car", "One car"], "split": "test"},
        {"file": "b.jpg", "captions": ["A boat"], "labels": ["boat"], "split": "train"},
    ]
    (folder / "items.json").write_text(json.dumps(entries))
    texts = [
        {"labels": ["car"], "captions": ["a red car.", "one car"]},
        {"labels": ["car"], "captions": ["a red car", "another one"]},
        {"labels": ["boat"], "captions": ["A boat"]},
    ]
    (folder / "text_only.json").write_text(json.dumps(texts))
    assert len(read_labelled_texts(folder)) == 3
    kept = labelled_texts(tmp_path, photo_sets(tmp_path))
    assert [text.captions[-1] for text in kept] == [("another", "one"), ("a", "boat")]


def photo(source: str, labels: tuple[str, ...] = (), complete: bool = False, *captions: str) -> LabelledPhoto:
    return LabelledPhoto("x.jpg", source, "train", labels, complete, tuple(tuple(c.split()) for c in captions))


def test_an_absent_label_is_false_only_where_the_list_is_complete() -> None:
    photos = [
        photo("flowers", ("daisy",), True),
        photo("flowers", ("iris",), True),
        photo("things", ("cup",)),
        photo("things", ("car",)),
        photo("flickr8k", (), False, "a cup", "a cup", "a dog", "a dog", "a dog"),
    ]
    found = label_targets(photos, ["daisy", "cup", "dog"], {"cup", "dog"}.__contains__)
    values, weights = found.values, found.weights()
    daisy, cup, dog = 0, 1, 2
    assert values[:2, daisy].tolist() == [1, 0]
    assert weights[:2, daisy].tolist() == [1, 1]
    assert values[2:, daisy] == pytest.approx(found.rates[daisy])  # unknown: as likely as at large
    assert weights[2:, daisy] == pytest.approx(UNKNOWN)
    assert values[:2, [cup, dog]].tolist() == [[0, found.rates[dog]]] * 2  # a cup is a thing, and not on a whole list
    assert weights[:2, cup].tolist() == [1, 1]
    assert values[2, cup] == 1
    assert values[3, cup] == pytest.approx(found.rates[cup])  # left out by a collection that knows it
    assert weights[2:4, cup] == pytest.approx(LEFT_OUT)
    assert values[4, [cup, dog]] == pytest.approx([0.4, 0.6])  # said by a share of the captions
    assert weights[4, [cup, dog]] == pytest.approx(1)
    assert (found.rates > 0).all()
    assert (found.rates < 1).all()
    assert np.isfinite(values).all()
