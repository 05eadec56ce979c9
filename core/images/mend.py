"""Files whose pixels are whole although something around them is not, put right so that strict decoders read them.

Nothing here invents a pixel: what is cut off or makes no sense around them is left out, and the ends are closed.
"""

from __future__ import annotations

import struct
import zlib

from core.images.formats import AVIF_BRANDS, HEIF_BRANDS, sniff
from core.images.whole import mend_jpeg

PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT")
PNG_COLOURS = {b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4}  # kept where their length is right
PNG_END = b"\0\0\0\0IEND\xae\x42\x60\x82"
WEBP_KEPT = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"ICCP", b"EXIF")
GIF_IMAGE, GIF_EXTENSION = 0x2C, 0x21
CODESTREAM_END = b"\xff\xd9"
KNOWN_MAJORS = (*AVIF_BRANDS, *HEIF_BRANDS)


def mend(data: bytes) -> bytes | None:
    """The same image without the damage around its pixels; None where there is nothing to be done.

    Pixels of a JPEG are decoded to find out: judge its size first.
    """
    name = sniff(data)
    if name == "JPEG":
        return mend_jpeg(data)
    if name == "PNG":
        return bare_png(data)
    if name == "WEBP":
        return bare_webp(data)
    if name == "GIF":
        return closed_gif(data)
    if name == "JPEG2000" and not data.endswith(CODESTREAM_END):
        return data.rstrip(b"\xff") + CODESTREAM_END  # its decoder refuses one that lacks pixels
    if name in ("AVIF", "HEIF") and data[8:12] not in KNOWN_MAJORS:
        return data[:8] + (b"avif" if name == "AVIF" else b"mif1") + data[12:]  # only further brands say what it is
    return None


def bare_png(data: bytes) -> bytes:
    """A PNG reduced to what its pixels need.

    Text and profiles, which may unpack to far more than they are, are left out, and so is what follows the pixels.
    """
    kept, at = [data[:8]], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 12 + length
        if (name in PNG_KEPT or PNG_COLOURS.get(name) == length) and end <= len(data):
            kept.append(data[at:end])
        elif name == b"IDAT":
            kept.append(_chunk(name, data[at + 8 :]))  # the decoder says whether that is enough
        at = end
    return b"".join([*kept, PNG_END])


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def bare_webp(data: bytes) -> bytes:
    """A WebP reduced to those of its chunks that are all there: libwebp refuses a file whose last one is not."""
    kept, at = [], 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        end = at + 8 + length
        if data[at : at + 4] in WEBP_KEPT and end <= len(data):
            kept.append(data[at:end] + b"\0" * (length % 2))
        at = end + length % 2
    body = b"WEBP" + b"".join(kept)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def closed_gif(data: bytes) -> bytes | None:
    """A GIF that breaks off inside a block of data, whose last block is made to end there."""
    if len(data) < 13:
        return None
    at = 13 + _palette(data[10])
    while at + 10 < len(data) and data[at] in (GIF_EXTENSION, GIF_IMAGE):
        at += 2 if data[at] == GIF_EXTENSION else 11 + _palette(data[at + 9])
        while at < len(data) and data[at]:
            rest = data[at + 1 : at + 1 + data[at]]
            if len(rest) < data[at]:
                return data[:at] + bytes([len(rest)]) + rest + b"\0;"
            at += 1 + data[at]
        at += 1
    return None


def _palette(flags: int) -> int:
    """Bytes of the palette that a GIF's flags announce."""
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0
