"""A loaded image as it came out of its file, and how it is turned upright."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from core.images.colour import to_rgb
from core.images.thumbnail import SIDE, fitted

SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations whose width is the upright height
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, slots=True)
class Frame:
    """A loaded image; it may be large, so whoever keeps it lets it go soon.

    A JPEG was read in a smaller size, enough for what it was decoded for.
    """

    image: Image.Image
    profile: bytes | None
    orientation: int

    def rgb(self, size: tuple[int, int]) -> Image.Image:
        """The frame for a model: RGB, upright, in sRGB, of a width and height."""
        width, height = size
        stored = (height, width) if self.orientation in SIDEWAYS else (width, height)
        return self._upright(to_rgb(self.image, stored, self.profile))

    def thumbnail(self) -> Image.Image:
        """The frame for people: RGB, upright, in sRGB, its longest side 320 pixels at most."""
        size = fitted(*self.image.size, SIDE)
        return self._upright(to_rgb(self.image, size, self.profile, for_people=True))

    def _upright(self, image: Image.Image) -> Image.Image:
        turn = TRANSPOSE.get(self.orientation)
        return image if turn is None else image.transpose(turn)
