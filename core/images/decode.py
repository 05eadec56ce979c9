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
    WebPImagePlugin,
)
from pillow_heif import register_heif_opener
from pydantic import BaseModel, ConfigDict, Field

from core.errors import ItemError
from core.images.colour_tags import avif_colours, h273_colours, png_colours
from core.images.explain import explain, refuse_early, refuse_variant
from core.images.formats import avif_size, sniff
from core.images.frame import SIDEWAYS, TRANSPOSE, Frame
from core.images.mend import mend
from core.images.quiet import silence_libtiff, silence_logs, silence_warnings
from core.images.thumbnail import SIDE
from core.images.tiff import main_page
from core.images.whole import lacks_pixels, may_lack_pixels
from core.shortage import is_shortage, worker_resources

Result = TypeVar("Result")
__all__ = ["DecodedImage", "Frame", "ImageInfo", "ImageSpec", "decode_image", "decode_thumbnail", "inspect_image"]

# Only what people keep photos in: Pillow's other readers (PostScript, icons, ...) are attack surface. Importing a
# plugin registers it; were one missing, Pillow would import them all.
PLUGINS = (
    JpegImagePlugin, MpoImagePlugin, PngImagePlugin, WebPImagePlugin, GifImagePlugin,
    TiffImagePlugin, BmpImagePlugin, AvifImagePlugin, Jpeg2KImagePlugin,
)  # fmt: skip
MAX_SIDE = 65_535  # pixels; what JPEG can hold
OVERSAMPLING = 2  # a JPEG is decoded at least this many times larger than wanted, for bicubic to work on
JPEGS = ("JPEG", "MPO")
UPRIGHT = 1


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
        frame: what the pixels were made from, where it was asked for.
    """

    pixels: NDArray[np.uint8]
    media: dict[str, int]
    format: str
    frame: Frame | None = None


def decode_image(data: bytes, spec: ImageSpec, max_pixels: int, *, keep_frame: bool = False) -> DecodedImage:
    """Decode an image file to what a model takes. Safe to call from several threads at once.

    Upright by its EXIF orientation, in sRGB by what it says of its colours, transparency over white; the first frame
    of an animation. A file whose pixels are whole is read although what surrounds them is damaged.

    Args:
        data: the whole file.
        spec: what the model wants.
        max_pixels: largest width times height, judged before decoding.
        keep_frame: what the pixels are made from is wanted too; the pixels are the same either way.

    Raises:
        ItemError: `image_empty`, `image_unsupported`, `image_truncated`, `image_corrupt` or `image_too_large`; and
            `worker_resources`, of which the file is not to blame.
    """
    return _own_shortage(data, lambda content: _decode(content, spec, max_pixels, keep_frame))


def decode_thumbnail(data: bytes, max_pixels: int) -> Image.Image:
    """An image file for people to see: see `Frame.thumbnail`. Raises as `decode_image`."""

    def decode(content: bytes) -> Image.Image:
        with _open(content, max_pixels) as image:
            return _load(image, content, SIDE).thumbnail()

    return _own_shortage(data, decode)


def _own_shortage(data: bytes, work: Callable[[bytes], Result]) -> Result:
    try:
        return _guarded(data, work)
    except ItemError:
        raise
    except Exception as error:
        raise worker_resources() from error


def inspect_image(data: bytes, max_pixels: int) -> ImageInfo:
    """Format and upright size of an image file, from its header alone.

    Raises:
        ItemError: as `decode_image`; most damage behind the header goes unnoticed.
        Exception: a shortage of memory or files here, as it comes.
    """

    def inspect(content: bytes) -> ImageInfo:
        with _open(content, max_pixels) as image:
            return _info(image, image.size, _orientation(image))

    return _guarded(data, inspect)


def _decode(data: bytes, spec: ImageSpec, max_pixels: int, keep_frame: bool) -> DecodedImage:
    with _open(data, max_pixels) as image:
        stored = image.size
        frame = _load(image, data, max(spec.size))
        small = frame.rgb(spec.size)
        info = _info(image, stored, frame.orientation)
    media = {"width": info.width, "height": info.height}
    return DecodedImage(np.array(small, np.uint8), media, info.format, frame if keep_frame else None)


def _load(image: ImageFile.ImageFile, data: bytes, side: int) -> Frame:
    """The whole frame; a JPEG's in a smaller size, from which one of `side` pixels can be made well."""
    if image.format in JPEGS:
        image.decodermaxblock = len(data)  # an arithmetic decoder cannot wait for more
        side *= OVERSAMPLING
        image.draft("L" if image.mode == "L" else "RGB", (side, side))
    image.load()
    if image.format in JPEGS and may_lack_pixels(image, data) and lacks_pixels(image, data):
        raise ItemError("image_truncated", "The JPEG file lacks pixels at its end; send it again, whole.")
    # The orientation after loading: a PNG may have its EXIF behind the pixels.
    return Frame(image, _profile(image, data), _orientation(image))


def _open(data: bytes, max_pixels: int) -> ImageFile.ImageFile:
    """The image with its header read and judged.

    Raises:
        ItemError: `image_unsupported`, `image_too_large` or `image_corrupt`; else what Pillow raises comes through.
    """
    _ready()
    _raise_own_limit_of_pillow(max_pixels)
    refuse_early(data)
    known = sniff(data) or ""
    if known == "AVIF":
        _judge(avif_size(data), max_pixels)
    image = Image.open(io.BytesIO(data), formats=[known])
    if known == "JPEG" and not getattr(image, "quantization", True):
        refuse_variant(data)  # a lossless one, which libjpeg reads only where nothing has to be scaled
    if known == "TIFF" and (page := main_page(data)):
        image.seek(page)
    if min(image.size) < 1:
        raise ItemError("image_corrupt", "The image says that it has no pixels; send another file.")
    _judge(image.size, max_pixels)
    return image


def _profile(image: ImageFile.ImageFile, data: bytes) -> bytes | None:
    """The ICC profile that an image brings, or one for what else it says of its colours."""
    own: bytes | None = image.info.get("icc_profile")
    if image.format == "PNG":
        return png_colours(data) or own
    if image.format == "AVIF" and not own:
        return avif_colours(data)
    if nclx := None if own else image.info.get("nclx_profile"):
        return h273_colours(int(nclx["color_primaries"]), int(nclx["transfer_characteristics"]))
    return own


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


def _guarded(data: bytes, work: Callable[[bytes], Result]) -> Result:
    """What `work` makes of a file, or of its whole pixels without the damage around them.

    Raises:
        ItemError: whatever the file is to blame for. A shortage here comes through.
    """
    if not data:
        raise ItemError("image_empty", "The file is empty; send the image's bytes.")
    silence_warnings()
    try:
        try:
            return work(data)
        except (ItemError, MemoryError, Image.DecompressionBombError):
            raise
        except Exception:
            mended = mend(data)
            if mended is None:
                raise
            return work(mended)
    except ItemError:
        raise
    except Exception as error:
        if is_shortage(error):
            raise
        raise explain(data, error) from error
