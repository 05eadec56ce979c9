"""Why a file gave no pixels, as an error with a stable code, and what its sender can do about it.

Messages go to strangers: of what a library says only plain words are passed on, never places in memory or on disk.
"""

from __future__ import annotations

import re

from PIL import Image, UnidentifiedImageError

from core.errors import ItemError
from core.images import jpeg
from core.images.formats import looks_cut, sniff
from core.images.kinds import CONVERT, EXPORT, name_kind
from core.images.tiff import is_misread, name_raw, name_unreadable

KNOWN = "JPEG, PNG, WebP, GIF, TIFF, BMP, AVIF, HEIC or JPEG 2000"
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 ,.;:()+-]{0,120}")
ADDRESS = re.compile(r"0x[0-9a-f]|object at", re.I)
UNSUPPORTED = ("nsupported", "not been built in", "not implemented", "unknown compression")


def refuse_early(data: bytes) -> None:
    """Refuse what must not be decoded: what is no photo, and what would come out as something else.

    Raises:
        ItemError: `image_unsupported`.
    """
    known = sniff(data)
    if known is None:
        raise ItemError("image_unsupported", name_kind(data) or f"Not an image of a known format; send {KNOWN}.")
    if known == "TIFF":
        if raw := name_raw(data):
            raise ItemError("image_unsupported", EXPORT.format(raw))
        if is_misread(data):
            raise _unsupported(f"a TIFF {name_unreadable(data)}")


def refuse_variant(data: bytes) -> None:
    """Refuse a file of a known format if it is of a kind that is not read, or only at some sizes.

    Raises:
        ItemError: `image_unsupported`.
    """
    if variant := _variant(data, sniff(data)):
        raise _unsupported(variant)


def explain(data: bytes, error: Exception) -> ItemError:
    """The code and the advice for an exception that Pillow, libheif or numpy raised over a file of a known format."""
    known, reason = sniff(data), str(error)
    if isinstance(error, Image.DecompressionBombError):
        return ItemError("image_too_large", "The image has far too many pixels; send a smaller one.")
    variant = _variant(data, known)
    if variant:
        return _unsupported(variant)
    if "truncated" in reason.lower() or looks_cut(data):
        return ItemError("image_truncated", f"The {known} file ends too early; send it again, whole.")
    if isinstance(error, NotImplementedError) or any(word in reason for word in UNSUPPORTED):
        return _unsupported(f"a {known} file of a rare kind{_quoted(reason)}")
    if isinstance(error, UnidentifiedImageError):
        reason = "its header makes no sense"
    return ItemError("image_corrupt", f"The {known} file is damaged{_quoted(reason)}; send another copy.")


def _unsupported(name: str) -> ItemError:
    return ItemError("image_unsupported", CONVERT.format(name))


def _quoted(reason: str) -> str:
    """A library's words in brackets, where they are nothing but words."""
    return f" ({reason})" if PLAIN.fullmatch(reason) and not ADDRESS.search(reason) else ""


def _variant(data: bytes, known: str | None) -> str | None:
    """What a file of a known format is that no decoder here reads, however whole it be."""
    if known == "JPEG":
        frame = jpeg.read_jpeg(data).frame
        return _jpeg_variant(frame) if frame else None
    if known == "TIFF":
        name = name_unreadable(data)
        return f"a TIFF {name}" if name else None
    if known == "PNG" and data[12:16] == b"CgBI":
        return "a PNG made for iOS apps alone (CgBI)"
    if known == "JPEG2000" and data[20:24] == b"mjp2":
        return "a video (Motion JPEG 2000)"
    return None


def _jpeg_variant(frame: jpeg.Frame) -> str | None:
    if frame.process == jpeg.JPEG_LS:
        return "a JPEG-LS image"
    lossless = frame.process in jpeg.LOSSLESS
    if frame.bits != 8:
        return f"a {'lossless ' if lossless else ''}JPEG of {frame.bits} bits a sample"
    if frame.process in jpeg.HIERARCHICAL:
        return "a hierarchical JPEG"
    if lossless:
        return "a lossless JPEG"
    if len(frame.components) not in (1, 3, 4):
        return f"a JPEG of {len(frame.components)} channels"
    return None if frame.height else "a JPEG that does not say its height up front"
