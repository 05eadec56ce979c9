"""Photos to measure with: crops, flips and light changes of the samples, each file different, about 500x375."""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

SAMPLES = Path(__file__).resolve().parent.parent / "samples"
SIZE = (500, 375)
QUALITY = 88


def make_photos(folder: Path, count: int, seed: int = 7, size: tuple[int, int] = SIZE) -> None:
    """Write `count` JPEGs called 00000.jpg and so on; the same ones for the same seed. `size`: width, height."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = random.Random(seed)
    samples = [Image.open(path).convert("RGB") for path in sorted(SAMPLES.glob("*.jpg"))]
    for number in range(count):
        _vary(rng.choice(samples), rng, size).save(folder / f"{number:05d}.jpg", quality=QUALITY)


def _vary(photo: Image.Image, rng: random.Random, size: tuple[int, int]) -> Image.Image:
    scale = rng.uniform(0.6, 1.0)
    width, height = round(photo.width * scale), round(photo.height * scale)
    left, top = rng.randint(0, photo.width - width), rng.randint(0, photo.height - height)
    varied = photo.crop((left, top, left + width, top + height)).resize(size, Image.Resampling.BILINEAR)
    if rng.random() < 0.5:
        varied = ImageOps.mirror(varied)
    return ImageEnhance.Brightness(varied).enhance(rng.uniform(0.8, 1.2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=2000)
    given = parser.parse_args()
    make_photos(given.folder, given.count)
