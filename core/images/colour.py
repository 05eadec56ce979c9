"""From whatever pixels a file holds to small upright-sized RGB: bit depth, transparency, colour profile, size."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from core.images.profiles import to_srgb

REDUCING_GAP = 3.0  # shrink by whole numbers first while at least this much is left for bicubic
DIRECT = ("L", "LA", "RGB", "RGBA", "CMYK", "LAB")  # modes that can be scaled as they are


def to_rgb(
    image: Image.Image, size: tuple[int, int], profile: bytes | None, *, for_people: bool = False
) -> Image.Image:
    """An RGB image of `size` (width, height) from a loaded image of any mode and its ICC profile, if it has one.

    Antialiased bicubic; deep pixels are scaled to 8 bits; the profile is applied; transparency lies over white.

    Args:
        for_people: no model will see it: bilinear will do, in two thirds of the time.
    """
    plain = _plain(image)
    kernel, gap = (Image.Resampling.BILINEAR, 2.0) if for_people else (Image.Resampling.BICUBIC, REDUCING_GAP)
    small = plain.resize(size, kernel, reducing_gap=gap)
    # Colours are converted after scaling, for a thousandth of the pixels.
    if small.mode in ("LA", "RGBA"):
        alpha = small.getchannel("A")
        white = Image.new("RGB", size, (255, 255, 255))
        colours = small.convert("L" if small.mode == "LA" else "RGB")
        return Image.composite(_srgb(colours, profile), white, alpha)
    return _srgb(small, profile)


def _plain(image: Image.Image) -> Image.Image:
    """The image in one of the modes in DIRECT, still at full size."""
    if image.mode.startswith("I") or image.mode == "F":
        return Image.fromarray(to_8_bit(np.asarray(image)))
    if image.has_transparency_data and image.mode not in ("LA", "RGBA"):
        return image.convert("RGBA")
    return image if image.mode in DIRECT else image.convert("RGB")


def to_8_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Grey values of any type as uint8, scaled and not clipped.

    16-bit integers are read as the least of 8, 10, 12, 14 or 16 bits that holds them all, since cameras and
    microscopes keep 10 to 14 bits in such files. Wider integers and floats have no agreed white: what fits 0..1,
    0..255 or 0..65535 is read so, and anything else is stretched from its least to its greatest value.
    """
    if values.dtype.itemsize == 2:
        grey = values.astype(np.uint16)
        bits = next(bits for bits in (8, 10, 12, 14, 16) if int(grey.max()) < 1 << bits)
        return (grey >> (bits - 8)).astype(np.uint8)
    exact = np.nan_to_num(values.astype(np.float32), copy=False, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(exact.min()), float(exact.max())
    if low >= 0 and high <= 65_535:
        white = 1.0 if high <= 1 and values.dtype.kind == "f" else 255.0 if high <= 255 else 65_535.0
        low, high = 0.0, white
    exact -= low  # in place: such an image may fill much of the memory already
    exact *= 255.0 / max(high - low, 1e-30)
    return np.clip(exact, 0, 255, out=exact).astype(np.uint8)


def _srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB by its profile, or without one by the usual reading of its mode."""
    converted = to_srgb(image, profile) if profile else None
    if converted is None and image.mode == "LAB":
        lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
        converted = ImageCms.profileToProfile(image, lab, ImageCms.createProfile("sRGB"), outputMode="RGB")
    return converted or image.convert("RGB")
