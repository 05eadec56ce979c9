"""Other views of a photo: mirrored, cropped, in other light. What a caption says of it stays true."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

AREA = (0.6, 1.0)  # share of the frame that a crop keeps
ASPECT = (3 / 4, 4 / 3)
LIGHT = (0.75, 1.25)

Pixels = NDArray[np.uint8]


def view(pixels: Pixels, number: int, seed: tuple[int, ...]) -> Pixels:
    """The view of that number: 0 is the photo, 1 its mirror image, every further one a random crop.

    Args:
        pixels: uint8 [height, width, 3].
        number: which view.
        seed: decides crop and light; the same seed and number give the same view.
    """
    if number == 0:
        return pixels
    if number == 1:
        return np.ascontiguousarray(pixels[:, ::-1])
    random = np.random.default_rng([*seed, number])
    image = Image.fromarray(pixels)
    image = image.resize(image.size, Image.Resampling.BICUBIC, box=_box(image.size, random))
    for enhancer in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhancer(image).enhance(random.uniform(*LIGHT))
    found: Any = np.asarray(image, np.uint8)
    return np.ascontiguousarray(found[:, ::-1] if random.random() < 0.5 else found)


def _box(size: tuple[int, int], random: np.random.Generator) -> tuple[float, float, float, float]:
    """A random part of the frame (Szegedy et al., 2015, arXiv:1409.4842), in pixels."""
    width, height = size
    area, aspect = random.uniform(*AREA), np.exp(random.uniform(*np.log(ASPECT)))
    wide = min(np.sqrt(area * aspect), 1.0) * width
    high = min(np.sqrt(area / aspect), 1.0) * height
    left, top = random.uniform(0, width - wide), random.uniform(0, height - high)
    return left, top, left + wide, top + high
