"""What the first and the last bytes of a file say about it, without decoding anything."""

from __future__ import annotations

import struct

from core.images.jpeg import END, read_jpeg
from core.images.tiff import tiff_is_cut

# Offset, bytes there, format; the first that matches counts.
SIGNATURES = (
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG\r\n\x1a\n", "PNG"),
    (0, b"GIF87a", "GIF"),
    (0, b"GIF89a", "GIF"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (0, b"II\0*", "TIFF"),  # the number's bytes the wrong way round, which readers forgive
    (0, b"MM*\0", "TIFF"),
    (0, b"II+\0", "TIFF"),
    (0, b"MM\0+", "TIFF"),
    (0, b"\xff\x4f\xff\x51", "JPEG2000"),
    (4, b"jP  \r\n\x87\n", "JPEG2000"),
)
BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)  # bytes of the header behind the file's own
AVIF_BRANDS = (b"avif", b"avis")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
MAX_BRANDS = 64


def sniff(data: bytes) -> str | None:
    """The format that a file's first bytes announce, or None."""
    for offset, mark, name in SIGNATURES:
        if data.startswith(mark, offset):
            return name
    if data.startswith(b"RIFF") and data.startswith(b"WEBP", 8):
        return "WEBP"
    if data.startswith(b"BM") and (len(data) < 18 or struct.unpack_from("<I", data, 14)[0] in BMP_HEADERS):
        return "BMP"
    found = brands(data)
    if any(brand in AVIF_BRANDS for brand in found):
        return "AVIF"
    return "HEIF" if any(brand in HEIF_BRANDS for brand in found) else None


def brands(data: bytes) -> tuple[bytes, ...]:
    """What an ISO base media file says that it is: its major brand, then those it is compatible with; else nothing."""
    if data[4:8] != b"ftyp" or len(data) < 12:
        return ()
    (length,) = struct.unpack_from(">I", data)
    others = data[16 : max(16, min(length, 16 + 4 * MAX_BRANDS))]
    return (data[8:12], *(others[at : at + 4] for at in range(0, len(others), 4)))


def looks_cut(data: bytes) -> bool:
    """Whether a file ends before its format says it does; False where that cannot be told."""
    name = sniff(data)
    if name == "JPEG":
        jpeg = read_jpeg(data)
        return not jpeg.ended if jpeg.has_all_scans else END not in data[-64:]
    if name == "PNG":
        return b"IEND" not in data[-64:]
    if name == "GIF":
        return b";" not in data[-16:]
    if name == "WEBP":
        return bool(len(data) < 8 + struct.unpack_from("<I", data, 4)[0])
    if name == "BMP":
        return bool(len(data) < 26 or len(data) < struct.unpack_from("<I", data, 2)[0])
    if name == "TIFF":
        return tiff_is_cut(data)
    if name == "JPEG2000":
        return data[-2:] != b"\xff\xd9"
    if name in ("AVIF", "HEIF"):
        return _boxes_end(data) > len(data)
    return False


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
