"""Turn the bytes of an image file into the pixels a model takes, or into an error with a stable code.

Everything a stranger can send ends either as pixels or as an ItemError: `image_empty`, `image_unsupported`,
`image_truncated`, `image_corrupt` or `image_too_large`. Size is judged by the header, before anything is decoded.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import (
    AvifImagePlugin,
    BmpImagePlugin,
    ExifTags,
    GifImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)
from pillow_heif import register_heif_opener
from pydantic import BaseModel, ConfigDict, Field

from core.errors import ItemError
from core.images.colour import to_rgb
from core.images.formats import avif_size, bare_png, looks_cut, sniff
from core.images.quiet import silence_libtiff, silence_logs, silence_warnings

Result = TypeVar("Result")
__all__ = ["DecodedImage", "ImageInfo", "ImageSpec", "decode_image", "inspect_image"]

# Only what people keep photos in: Pillow's other readers (PostScript, icons, ...) are attack surface. Importing a
# plugin registers it; were one missing, Pillow would import them all.
PLUGINS = (
    JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin, GifImagePlugin,
    TiffImagePlugin, BmpImagePlugin, AvifImagePlugin, Jpeg2KImagePlugin,
)  # fmt: skip
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "AVIF", "JPEG2000", "HEIF")
KNOWN = "JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC or JPEG 2000"
CONVERT = "convert it to JPEG or PNG"
MAX_SIDE = 65_535  # pixels; what JPEG can hold
OVERSAMPLING = 2  # a JPEG is decoded at least this many times larger than wanted, for bicubic to work on
UPRIGHT, SIDEWAYS = 1, (5, 6, 7, 8)
TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class ImageSpec(BaseModel):
    """How a model wants its images; part of an artefact's manifest.

    Attributes:
        size: width and height in pixels.
        fit: "squash": the whole frame is scaled to the size, without regard to its proportions.
        resample: always bicubic, antialiased.
        colour: always RGB, 8 bits a channel.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    medium: Literal["image"] = "image"
    size: tuple[int, int] = Field(description="Width and height in pixels.")
    fit: Literal["squash"] = "squash"
    resample: Literal["bicubic"] = "bicubic"
    colour: Literal["RGB"] = "RGB"


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What a header says: the format, and the size of the upright image in pixels."""

    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """An image ready for a model.

    Attributes:
        pixels: uint8 [height, width, 3], RGB, of the size the spec asked for.
        media: width and height of the upright original, in pixels.
        format: as Pillow names it: "JPEG", "PNG", ...
    """

    pixels: NDArray[np.uint8]
    media: dict[str, int]
    format: str


def decode_image(data: bytes, spec: ImageSpec, max_pixels: int) -> DecodedImage:
    """Decode an image file to what a model takes. Safe to call from several threads at once.

    Upright by its EXIF orientation, colours by its ICC profile, transparency over white; the first frame of an
    animation.

    Args:
        data: the whole file.
        spec: what the model wants.
        max_pixels: largest width times height, judged before decoding.

    Raises:
        ItemError: `image_empty`, `image_unsupported`, `image_truncated`, `image_corrupt` or `image_too_large`.
    """

    def decode() -> DecodedImage:
        try:
            return _decode(data, spec, max_pixels)
        except (OSError, SyntaxError, ValueError):
            if sniff(data) != "PNG":
                raise
            return _decode(bare_png(data), spec, max_pixels)  # damage around whole pixels is no reason to refuse them

    return _guarded(data, decode)


def inspect_image(data: bytes, max_pixels: int) -> ImageInfo:
    """Format and upright size of an image file, from its header alone.

    Raises:
        ItemError: as `decode_image`; damage behind the header goes unnoticed.
    """

    def inspect() -> ImageInfo:
        with _open(data, max_pixels) as image:
            return _info(image, image.size, _orientation(image))

    return _guarded(data, inspect)


def _decode(data: bytes, spec: ImageSpec, max_pixels: int) -> DecodedImage:
    with _open(data, max_pixels) as image:
        stored, (width, height) = image.size, spec.size
        if image.format in ("JPEG", "MPO"):
            side = max(width, height) * OVERSAMPLING
            image.draft("L" if image.mode == "L" else "RGB", (side, side))
        image.load()
        orientation = _orientation(image)  # after loading: a PNG may have its EXIF behind the pixels
        small = to_rgb(image, (height, width) if orientation in SIDEWAYS else (width, height))
        info = _info(image, stored, orientation)
    if orientation in TRANSPOSE:
        small = small.transpose(TRANSPOSE[orientation])
    return DecodedImage(np.array(small, np.uint8), {"width": info.width, "height": info.height}, info.format)


def _open(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """The image with its header read and judged.

    Raises:
        ItemError: `image_too_large` or `image_corrupt`; anything else that Pillow raises comes through.
    """
    _ready()
    _raise_own_limit_of_pillow(max_pixels)
    if sniff(data) == "AVIF":
        _judge(avif_size(data), max_pixels)
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except ValueError:
        # Pillow gives up on a PNG whose text or profile unpacks to more than a megabyte; its pixels may be fine.
        if sniff(data) != "PNG":
            raise
        image = Image.open(io.BytesIO(bare_png(data)), formats=FORMATS)
    if min(image.size) < 1:
        raise ItemError("image_corrupt", "The image says that it has no pixels; send another file.")
    _judge(image.size, max_pixels)
    return image


def _judge(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels or max(size) > MAX_SIDE:
        limit = f"{max_pixels} pixels and {MAX_SIDE} a side"
        raise ItemError(
            "image_too_large", f"The image is {width} x {height}, the limit is {limit}; send a smaller one."
        )


def _info(image: Image.Image, size: tuple[int, int], orientation: int) -> ImageInfo:
    width, height = reversed(size) if orientation in SIDEWAYS else size
    return ImageInfo(image.format or "unknown", width, height)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; anything unreadable is upright."""
    if image.format == "TIFF":
        return UPRIGHT  # Pillow turns a TIFF itself when it loads it
    try:
        # Not image.getexif(): that of a PNG decodes the whole image first.
        value = Image.Image.getexif(image).get(ExifTags.Base.Orientation, UPRIGHT)
    except Exception:
        return UPRIGHT
    return value if value in TRANSPOSE else UPRIGHT


@functools.cache
def _ready() -> None:
    """Once per process: let Pillow read HEIF, and be quiet."""
    silence_logs()
    silence_libtiff()
    register_heif_opener(thumbnails=False, decode_threads=1)


def _raise_own_limit_of_pillow(max_pixels: int) -> None:
    """Pillow refuses twice its limit while it reads a header, and a GIF's canvas is filled before we see its size.

    So its limit stays; where ours is the larger, it is raised and never lowered, as it is one for the whole process.
    """
    if Image.MAX_IMAGE_PIXELS is not None and max_pixels > 2 * Image.MAX_IMAGE_PIXELS:
        Image.MAX_IMAGE_PIXELS = -(-max_pixels // 2)


def _guarded(data: bytes, work: Callable[[], Result]) -> Result:
    """What `work` returns; whatever it raises becomes an ItemError."""
    if not data:
        raise ItemError("image_empty", "The file is empty; send the image's bytes.")
    silence_warnings()
    try:
        return work()
    except ItemError:
        raise
    except Exception as error:
        raise _explain(data, error) from error


def _explain(data: bytes, error: Exception) -> ItemError:
    """The code and the advice for an exception that Pillow, libheif or numpy raised over a file."""
    reason = str(error).strip() or type(error).__name__
    known = sniff(data)
    if isinstance(error, Image.DecompressionBombError):
        return ItemError("image_too_large", f"The image is too large ({reason}); send a smaller one.")
    if isinstance(error, MemoryError):
        return ItemError("image_too_large", "The image needs more memory than there is; send a smaller one.")
    if known is None:
        return ItemError("image_unsupported", f"Not an image of a known format; send {KNOWN}.")
    if "truncated" in reason.lower() or looks_cut(data):
        return ItemError("image_truncated", f"The {known} file ends too early; send it again, whole.")
    if "nsupported" in reason or isinstance(error, NotImplementedError):
        return ItemError("image_unsupported", f"A {known} file of a kind that cannot be read ({reason}); {CONVERT}.")
    if isinstance(error, UnidentifiedImageError):
        reason = "its header makes no sense"
    return ItemError("image_corrupt", f"The {known} file is damaged ({reason}); send another copy.")
