"""All photos of a data folder, whatever layouts they come in, as one list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from training.common.datasets.captioned_photos import captioned
from training.common.datasets.labelled_photos import (
    LabelledPhoto,
    LabelledText,
    has_labelled_photos,
    read_labelled_photos,
    read_labelled_texts,
)

FLICKR8K, EVERYDAY = "flickr8k", "everyday"


@dataclass(frozen=True, slots=True)
class PhotoSet:
    """A collection of photos: its name, the folder of the files, and the photos."""

    name: str
    images: Path
    photos: tuple[LabelledPhoto, ...]

    def of_split(self, split: str) -> PhotoSet:
        """The same with the photos of one split."""
        return PhotoSet(self.name, self.images, tuple(p for p in self.photos if p.split == split))

    def paths(self) -> list[Path]:
        """The photos' files."""
        return [self.images / photo.name for photo in self.photos]


def photo_sets(data: Path) -> list[PhotoSet]:
    """The collections of a data folder: captioned photos (`captioned`), and labelled ones, in it or in `everyday/`.

    Raises:
        FileNotFoundError: it has none.
        ValueError: a file is of another layout.
    """
    found = []
    for name, folder in ((EVERYDAY, data / "everyday"), ("own", data)):
        if has_labelled_photos(folder):
            found.append(PhotoSet(name, folder / "images", tuple(read_labelled_photos(folder))))
    try:
        photos, images = captioned(data)
    except FileNotFoundError:
        if not found:
            raise
        return found
    whole = tuple(LabelledPhoto(p.name, FLICKR8K, p.split, (), False, p.captions) for p in photos)
    return [PhotoSet(FLICKR8K, images, whole), *found]


def labelled_texts(data: Path, sets: Iterable[PhotoSet]) -> list[LabelledText]:
    """The captions without photos of a data folder, but for images that share two captions with a photo kept to
    measure on: it may be the same image.
    """
    kept = {caption for each in sets for photo in each.photos if photo.split != "train" for caption in photo.captions}
    texts = [*read_labelled_texts(data / "everyday"), *read_labelled_texts(data)]
    return [text for text in texts if sum(caption in kept for caption in set(text.captions)) < 2]
