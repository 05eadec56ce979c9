"""Captioned photos in every layout, what their words become, and views that a seed decides."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.heads.captions import END, PAD, SPECIAL, START, UNKNOWN
from training.common.captions.caption_data import caption_ids, vocabulary, word_shares
from training.common.datasets.captioned_photos import (
    Photo,
    captioned,
    of_split,
    read_captions,
    tokenise,
)
from training.common.photos.augment import view
from training.common.photos.made_up_photos import LABELLED, SPLITS, write_made_up_photos
from training.tagger.tag_vocabularies import read_open_images

KARPATHY = {
    "images": [
        {"filename": "a.jpg", "split": "train", "sentences": [{"tokens": ["a", "dog"]}, {"raw": "A dog's tail."}]},
        {"filename": "b.jpg", "split": "restval", "sentences": [{"tokens": ["a", "cat"]}]},
        {"filename": "c.jpg", "split": "test", "sentences": [{"raw": "Two well-fed cats, sleeping!"}]},
    ]
}
COCO = {
    "images": [{"id": 7, "file_name": "b.jpg"}, {"id": 3, "file_name": "a.jpg"}],
    "annotations": [
        {"image_id": 3, "caption": "A dog."},
        {"image_id": 7, "caption": "Two cats."},
        {"image_id": 3, "caption": "It runs"},
    ],
}


def write(path: Path, data: Any) -> Path:
    text = data if isinstance(data, str) else json.dumps(data)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["dataset.json", "dataset.json.gz"])
def test_karpathys_layout(tmp_path: Path, name: str) -> None:
    photos = read_captions(write(tmp_path / name, KARPATHY))
    assert photos[0] == Photo("a.jpg", "train", (("a", "dog"), ("a", "dog's", "tail")))
    assert [photo.split for photo in photos] == ["train", "train", "test"]
    assert photos[2].captions == (("two", "well-fed", "cats", "sleeping"),)
    assert [photo.name for photo in of_split(photos, "test")] == ["c.jpg"]


def test_cocos_layout(tmp_path: Path) -> None:
    photos = read_captions(write(tmp_path / "captions_val2017.json", COCO), "val")
    assert photos == [
        Photo("a.jpg", "val", (("a", "dog"), ("it", "runs"))),
        Photo("b.jpg", "val", (("two", "cats"),)),
    ]


def test_flickrs_token_file(tmp_path: Path) -> None:
    lines = "1000_x.jpg#0\tA child in a pink dress .\n1000_x.jpg#1\tA girl\n2000_y.jpg#0\tA dog\n"
    photos = read_captions(write(tmp_path / "Flickr8k.token.txt", lines))
    assert [(photo.name, len(photo.captions), photo.split) for photo in photos] == [
        ("1000_x.jpg", 2, "train"),
        ("2000_y.jpg", 1, "train"),
    ]
    assert photos[0].captions[0] == ("a", "child", "in", "a", "pink", "dress")


@pytest.mark.parametrize(
    ("name", "data", "says"),
    [
        ("x.json", {"pictures": []}, "no list 'images'"),
        ("x.json", [1, 2], "no list 'images'"),
        ("x.json", {"images": [{"filename": "a.jpg", "split": "train"}]}, "image 0 lacks 'sentences'"),
        ("x.json", {"images": [KARPATHY["images"][0], {"sentences": [{}]}]}, "image 1 lacks 'raw'"),
        ("x.json", {**COCO, "annotations": [{"image_id": 99, "caption": "x"}]}, "annotation 0 .*99"),
        ("x.json", {**COCO, "annotations": [{"image_id": 3}]}, "annotation 0 .*'caption'"),
        ("x.json", "{", "x.json: .*line 1"),
        ("x.json.gz", "[1", "x.json.gz: .*line 1"),
        ("x.token.txt", "a.jpg#0\tfine\nno tab here\n", "x.token.txt:2: no tab"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, name: str, data: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_captions(write(tmp_path / name, data))


def test_open_images_classes(tmp_path: Path) -> None:
    rows = 'LabelName,DisplayName\n/m/01,Tortoise\n/m/02,"Bread, sliced"\n'
    assert read_open_images(write(tmp_path / "a.csv", rows)) == [("/m/01", "Tortoise"), ("/m/02", "Bread, sliced")]
    assert len(read_open_images(write(tmp_path / "b.csv", "/m/01,Tortoise\n"))) == 1
    with pytest.raises(ValueError, match=r"c\.csv:3: .*LabelName,DisplayName"):
        read_open_images(write(tmp_path / "c.csv", "LabelName,DisplayName\n/m/01,Tortoise\n/m/02\n"))


def test_a_data_folder_is_found_and_missing_photos_are_left_out(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="needs a file of captions"):
        captioned(tmp_path)
    write_made_up_photos(tmp_path)
    photos, images = captioned(tmp_path)
    assert {split: len(of_split(photos, split)) for split in SPLITS} == SPLITS
    (images / photos[0].name).unlink()
    assert captioned(tmp_path)[0] == photos[1:]


def test_made_up_photos_are_always_the_same(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_made_up_photos(tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(files) == 2 + sum(SPLITS.values()) + 2 + LABELLED
    assert all((tmp_path / "one" / path).read_bytes() == (tmp_path / "two" / path).read_bytes() for path in files)


def test_words_and_sentences_as_ids() -> None:
    said = ("a dog runs", "a dog", "a cat sits here now")
    photos = [Photo("a.jpg", "train", tuple(map(tokenise, said))), Photo("b.jpg", "train", (tokenise("a dog"),))]
    words = vocabulary(photos, 2)
    assert words == (*SPECIAL, "a", "dog")
    read, right = caption_ids(photos, words, 3, 5)
    assert read.dtype == right.dtype == np.int32
    assert read[0, 0].tolist() == [START, 4, 5, UNKNOWN, PAD]
    assert right[0, 0].tolist() == [4, 5, UNKNOWN, END, PAD]
    assert right[0, 2].tolist() == [4, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN], "too long: it loses its tail"
    assert (right[1] == right[1, 0]).all(), "one caption three times"
    shares = word_shares(right, len(words))
    assert shares[0].tolist() == pytest.approx([0, 0, 0, 0, 1, 2 / 3])


@pytest.fixture
def pixels() -> np.ndarray[Any, Any]:
    path = Path(__file__).resolve().parents[2] / "samples" / "cat.jpg"
    return np.asarray(Image.open(path).resize((64, 48)), np.uint8)


def test_a_view_is_decided_by_its_seed_and_number(pixels: np.ndarray[Any, Any]) -> None:
    def differs(one: Callable[[], Any], other: Callable[[], Any]) -> bool:
        return bool((one() != other()).any())

    assert (view(pixels, 0, (5,)) == pixels).all()
    assert (view(pixels, 1, (5,)) == pixels[:, ::-1]).all()
    before = pixels.copy()
    for number in range(2, 8):
        found = view(pixels, number, (5,))
        assert found.shape == pixels.shape
        assert found.dtype == np.uint8
        assert found.flags.c_contiguous
        assert (found == view(pixels, number, (5,))).all()
    assert (pixels == before).all()
    assert differs(lambda: view(pixels, 2, (5,)), lambda: view(pixels, 3, (5,)))
    assert differs(lambda: view(pixels, 2, (5,)), lambda: view(pixels, 2, (6,)))
