"""Read captioned photos in the layouts that people have: Karpathy's JSON, COCO captions, and Flickr8k's token file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.common.datasets.json_files import read_json

TOKEN = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
# In Karpathy's COCO file the rest of the validation split has a name of its own, and is trained on by convention.
SPLITS = {"restval": "train"}


@dataclass(frozen=True, slots=True)
class Photo:
    """A photo and what people said of it.

    Attributes:
        name: its file's name.
        split: "train", "val" or "test".
        captions: each as words in lower case, without punctuation.
    """

    name: str
    split: str
    captions: tuple[tuple[str, ...], ...]


def read_captions(path: Path, split: str = "train") -> list[Photo]:
    """Captioned photos in the order of the file.

    Args:
        path: Karpathy's dataset JSON (may be gzipped; it has its own splits), COCO's captions_*.json, or
            Flickr8k.token.txt (NAME#N, a tab, a caption a line).
        split: of photos in a layout that does not say.

    Raises:
        ValueError: the file is of no known layout; it says where.
    """
    if path.name.endswith(".txt"):
        return list(_grouped(_token_lines(path), split))
    raw = read_json(path)
    if not isinstance(raw, dict) or not isinstance(raw.get("images"), list):
        raise ValueError(f"{path}: neither Karpathy's nor COCO's layout: it has no list 'images'")
    if "annotations" in raw:
        return list(_grouped(_coco(raw, path), split))
    return [_karpathy(entry, path, at) for at, entry in enumerate(raw["images"])]


def tokenise(caption: str) -> tuple[str, ...]:
    """A caption's words in lower case, without punctuation."""
    return tuple(TOKEN.findall(caption.lower()))


def _karpathy(entry: dict[str, Any], path: Path, at: int) -> Photo:
    try:
        captions = tuple(
            tuple(sentence["tokens"]) if "tokens" in sentence else tokenise(sentence["raw"])
            for sentence in entry["sentences"]
        )
        return Photo(entry["filename"], SPLITS.get(entry["split"], entry["split"]), captions)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: image {at} lacks {error}") from None


def _coco(raw: dict[str, Any], path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    at = 0
    try:
        names = {image["id"]: image["file_name"] for image in raw["images"]}
        for at, found in enumerate(raw["annotations"]):  # noqa: B007
            yield names[found["image_id"]], tokenise(found["caption"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: annotation {at} has no photo or no caption: {error}") from None


def _token_lines(path: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            key, tab, caption = line.rstrip("\n").partition("\t")
            if not tab:
                raise ValueError(f"{path}:{number}: no tab between the photo's name and its caption")
            yield key.rpartition("#")[0] or key, tokenise(caption)


def _grouped(pairs: Iterable[tuple[str, tuple[str, ...]]], split: str) -> Iterator[Photo]:
    captions: dict[str, list[tuple[str, ...]]] = {}
    for name, caption in pairs:
        captions.setdefault(name, []).append(caption)
    for name, found in captions.items():
        yield Photo(name, split, tuple(found))


def captioned(folder: Path) -> tuple[list[Photo], Path]:
    """The captioned photos of a data folder, and the folder of their files.

    The folder has one file of captions, flickr8k_captions.json(.gz), dataset.json or captions.json, and beside it
    flickr8k_images/ or images/. Photos whose file is missing are left out.

    Raises:
        FileNotFoundError: there is no such file or folder.
    """
    files = ("flickr8k_captions.json.gz", "flickr8k_captions.json", "dataset.json", "captions.json")
    listed = next((folder / name for name in files if (folder / name).is_file()), None)
    images = next((folder / name for name in ("flickr8k_images", "images") if (folder / name).is_dir()), None)
    if listed is None or images is None:
        raise FileNotFoundError(f"{folder} needs a file of captions ({', '.join(files)}) and images/")
    return [photo for photo in read_captions(listed) if (images / photo.name).is_file()], images


def of_split(photos: Iterable[Photo], split: str) -> list[Photo]:
    """The photos of one split, in order."""
    return [photo for photo in photos if photo.split == split]
