"""What the first and the last bytes of a file say about it, without decoding anything."""

from __future__ import annotations

import struct

# Offset, bytes there, format; the first that matches counts.
SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (8, b"WEBP", "WEBP"),
    (0, b"BM", "BMP"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (4, b"jP  \r\n\x87\n", "JPEG2000"),
    (4, b"ftypavi", "AVIF"),
    (4, b"ftyp", "HEIF"),
)
PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"eXIf", b"IDAT")
PNG_END = b"\0\0\0\0IEND\xae\x42\x60\x82"


def sniff(data: bytes) -> str | None:
    """The format that a file's first bytes announce, or None."""
    for offset, mark, name in SIGNATURES:
        if data[offset : offset + len(mark)] == mark:
            return name
    return None


def looks_cut(data: bytes) -> bool:
    """Whether a file ends before its format says it does; False where that cannot be told."""
    name = sniff(data)
    if name == "JPEG":
        return b"\xff\xd9" not in data[-64:]
    if name == "PNG":
        return b"IEND" not in data[-64:]
    if name == "GIF":
        return b";" not in data[-16:]
    if name == "WEBP":
        return bool(len(data) < 8 + struct.unpack_from("<I", data, 4)[0])
    if name == "BMP":
        return bool(len(data) < 26 or len(data) < struct.unpack_from("<I", data, 2)[0])
    if name in ("AVIF", "HEIF"):
        return _boxes_end(data) > len(data)
    return False


def bare_png(data: bytes) -> bytes:
    """A PNG reduced to what its pixels need.

    Text and profiles, which may unpack to far more than they are, are left out, and so is what follows the pixels.
    """
    kept, at = [data[:8]], 8
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 12 + length
        if data[at + 4 : at + 8] in PNG_KEPT and end <= len(data):
            kept.append(data[at:end])
        at = end
    return b"".join([*kept, PNG_END])


def avif_size(data: bytes) -> tuple[int, int]:
    """Width and height by an AVIF's first `ispe` property, or zeros; its decoder refuses large ones unread."""
    at = data.find(b"ispe", 0, 65_536)
    if at < 0 or at + 16 > len(data):
        return 0, 0
    width, height = struct.unpack_from(">II", data, at + 8)
    return width, height


def _boxes_end(data: bytes) -> int:
    """Where the last top-level box of an ISO base media file says it ends."""
    at = 0
    while at + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if length == 1 and at + 16 <= len(data):
            (length,) = struct.unpack_from(">Q", data, at + 8)
        if length < 8:
            break  # 0: to the end of the file; less: nonsense that the decoder shall judge
        at += length
    return at
