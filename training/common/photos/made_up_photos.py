"""Made-up photos: coloured shapes with captions in Karpathy's layout, and others with labels, enough to run every step
of a training in seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image, ImageDraw

SIDE = 96
COLOURS = {"red": "#d22", "green": "#2a2", "blue": "#24d", "yellow": "#dd2"}
SHAPES = ("circle", "square", "triangle", "bar")
GROUNDS = {"white": "#fff", "black": "#111", "grey": "#888"}
SPLITS = {
    "train": 56,
    "val": 8,
    "test": 8,
}  # enough training photos for words to be measured on
LABELLED = 32
CAPTIONS = (
    "a {size} {colour} {shape} on a {ground} ground",
    "the {shape} is {colour}",
    "a picture with a {colour} {shape}",
    "a {shape} in front of something {ground}",
    "a picture of one {colour} {shape}",
)
LABELS = ("Circle", "Square", "Triangle", "Bar", "Picture", "Traffic light", "Tomato", "Dog", "Car", "Person")


def write_made_up_photos(folder: Path, seed: int = 0) -> None:
    """Write dataset.json and images/, pictures of one shape each, with five captions, in three splits; everyday/, with
    labels, few captions, and captions without pictures; and open_images_v6_labels.csv.
    """
    random = Random(seed)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    entries = list(_entries(folder / "images", random))
    (folder / "dataset.json").write_text(json.dumps({"dataset": "made up", "images": entries}), encoding="utf-8")
    _write_labelled(folder / "everyday", random)
    rows = "".join(f"/m/{at:02},{label}\n" for at, label in enumerate(LABELS))
    (folder / "open_images_v6_labels.csv").write_text(f"LabelName,DisplayName\n{rows}", encoding="utf-8")


def _write_labelled(folder: Path, random: Random) -> None:
    (folder / "images").mkdir(parents=True, exist_ok=True)
    entries, texts = [], []
    for number in range(LABELLED):
        words = _words(random)
        name = f"labelled-{number}.jpg"
        _draw(words, random).save(folder / "images" / name, quality=90)
        labels, captions = [words["shape"], words["ground"]], [template.format(**words) for template in CAPTIONS]
        split = "test" if number < LABELLED // 8 else "val" if number < LABELLED // 4 else "train"
        said = captions if split != "train" else captions[:1] if number % 2 else []
        entries.append({"file": name, "source": "shapes", "labels": labels, "captions": said, "split": split})
        texts.append({"labels": labels, "captions": captions[number % 3 :]})
    (folder / "items.json").write_text(json.dumps(entries), encoding="utf-8")
    (folder / "text_only.json").write_text(json.dumps(texts), encoding="utf-8")


def _words(random: Random) -> dict[str, str]:
    return {
        "size": random.choice(("big", "small")),
        "colour": random.choice(list(COLOURS)),
        "shape": random.choice(SHAPES),
        "ground": random.choice(list(GROUNDS)),
    }


def _entries(images: Path, random: Random) -> Iterator[dict[str, Any]]:
    for split, count in SPLITS.items():
        for number in range(count):
            name = f"{split}-{number}.jpg"
            words = _words(random)
            _draw(words, random).save(images / name, quality=90)
            captions = [template.format(**words) for template in CAPTIONS]
            sentences = [{"raw": f"{caption.capitalize()} .", "tokens": caption.split()} for caption in captions]
            yield {"filename": name, "split": split, "sentences": sentences}


def _draw(words: dict[str, str], random: Random) -> Image.Image:
    image = Image.new("RGB", (SIDE, SIDE), GROUNDS[words["ground"]])
    half = 30 if words["size"] == "big" else 12
    x, y = (random.randint(half, SIDE - half) for _ in range(2))
    draw, fill, box = ImageDraw.Draw(image), COLOURS[words["colour"]], (x - half, y - half, x + half, y + half)
    if words["shape"] == "circle":
        draw.ellipse(box, fill)
    elif words["shape"] == "square":
        draw.rectangle(box, fill)
    elif words["shape"] == "triangle":
        draw.polygon([(x, y - half), (x - half, y + half), (x + half, y + half)], fill)
    else:
        draw.rectangle((x - half, y - half // 4, x + half, y + half // 4), fill)
    return image
