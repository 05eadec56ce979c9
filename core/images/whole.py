"""Whether a JPEG holds all its pixels, though its end marker is missing or other things follow them.

libjpeg fills missing pixels with grey and keeps that to itself. So the file is decoded several times, each time with
other bytes behind its coded data: where a pixel is still missing they change it, and behind the last one nobody
looks at them. That is the work of several files, and done only for those that have something wrong or end in grey.
"""

from __future__ import annotations

import hashlib
import io
import re
from contextlib import suppress

from PIL import Image

from core.images.jpeg import ARITHMETIC, END, Jpeg, read_jpeg

# What comes behind the coded data in turn: nothing, to which libjpeg adds zeros, and two kinds of noise without 0xff.
PROBES = (b"", *(hashlib.sha512(seed).digest().replace(b"\xff", b"\xfe") for seed in (b"one", b"other")))
FULL_SIZE = 25_000_000  # pixels; larger images are compared at a half, a quarter or an eighth of their size
STRIP = 256  # rows
GREY = (127, 128)  # what libjpeg fills with, in channels stored inverted and in others
TEXT = re.compile(rb"[\t\n\r\x20-\x7e]{24,}")
TEXT_VARIETY = 8  # different bytes in it; flat areas are coded as short patterns, which may happen to be printable
SLACK = 8  # bytes at the start of what looks like text or padding that may still be coded data


def may_lack_pixels(image: Image.Image, data: bytes) -> bool:
    """Whether a JPEG that was decoded without complaint should be looked at more closely; costs nothing."""
    return _ends_grey(image) or not data.endswith(END)


def lacks_pixels(image: Image.Image, data: bytes) -> bool:
    """Whether pixels of a decoded JPEG were made up: filled with grey, or read from what lies behind the coded data.

    An arithmetic coder does not let us tell. A progressive file that is ended properly may leave out last details.
    """
    jpeg = read_jpeg(data)
    if jpeg.frame is None or not jpeg.scan or jpeg.frame.process in ARITHMETIC:
        return False
    if jpeg.ended:
        return _ends_grey(image) and not _nothing_missing(jpeg, jpeg.coded[1])
    return mend_jpeg(data) is None


def mend_jpeg(data: bytes) -> bytes | None:
    """The JPEG ended right behind its pixels; None where pixels or scans are missing, or where that cannot be told.

    What makers and broken transfers leave behind the pixels can be read as coded data and so fill a gap. Text and
    equal bytes there are left out first; a file that ends in equal bytes is whole too if it needs nearly all of them.
    """
    jpeg = read_jpeg(data)
    if not jpeg.has_all_scans or jpeg.frame is None or jpeg.frame.process in ARITHMETIC:
        return None
    start, end = jpeg.coded
    coded = data[start:end].rstrip(b"\xff")  # half an end marker
    text = next((found for found in TEXT.finditer(coded) if len(set(found[0])) >= TEXT_VARIETY), None)
    coded = coded[: text.start() + SLACK] if text else coded
    plain = coded[: len(coded.rstrip(coded[-1:])) + SLACK]
    if _nothing_missing(jpeg, start + len(plain)):
        return jpeg.until(start + len(plain))
    end = start + len(coded)
    if plain != coded and _nothing_missing(jpeg, end) and not _nothing_missing(jpeg, end - SLACK):
        return jpeg.until(end)
    return None


def _ends_grey(image: Image.Image) -> bool:
    """Whether the corner that is decoded last looks filled in; for a JPEG that is loaded."""
    width, height = image.size
    corner = [(max(width - across, 0), max(height - down, 0)) for down in (1, 2) for across in (1, 2)]
    return all(_is_grey(image.getpixel(place)) for place in corner)


def _is_grey(value: float | tuple[int, ...] | None) -> bool:
    return all(one in GREY for one in value) if isinstance(value, tuple) else value in GREY


def _nothing_missing(jpeg: Jpeg, coded_end: int) -> bool:
    """Whether the last scan's data is complete at an offset of the file."""
    if jpeg.lacks_restarts():
        return False
    head = jpeg.until(coded_end)[:-2]
    first = _fingerprint(head + PROBES[0] + END)
    return first is not None and all(_fingerprint(head + probe + END) == first for probe in PROBES[1:])


def _fingerprint(data: bytes) -> bytes | None:
    """A hash of a JPEG's pixels, strip by strip to spare memory; None where it cannot be decoded."""
    with suppress(Exception), Image.open(io.BytesIO(data), formats=["JPEG"]) as image:
        shrink = next((by for by in (1, 2, 4) if image.width * image.height <= FULL_SIZE * by * by), 8)
        image.draft(None, (image.width // shrink, image.height // shrink))
        seen = hashlib.blake2b(digest_size=16)
        for top in range(0, image.height, STRIP):
            seen.update(image.crop((0, top, image.width, min(top + STRIP, image.height))).tobytes())
        return seen.digest()
    return None
