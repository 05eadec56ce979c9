"""What the tags of a TIFF say: whether it is a camera's raw file, of a kind that cannot be read, or cut off.

Most raw formats are TIFFs whose first picture is a thumbnail. Pillow reads that one, and its label would pass for one
of the photo. Sources: TIFF 6.0, TIFF/EP (ISO 12234-2), the DNG specification 1.7.
"""

from __future__ import annotations

import struct
from itertools import chain
from typing import NamedTuple

SUBFILE, BITS, COMPRESSION, PHOTOMETRIC, MAKE = 254, 258, 259, 262, 271
STRIPS, SAMPLES, STRIP_BYTES, PLANAR, SUB_IFDS = 273, 277, 279, 284, 330
TILES, TILE_BYTES, FORMAT, CFA_PATTERN, LEAF_DATA, DNG_VERSION = 324, 325, 339, 33422, 34310, 50706
REDUCED = 1  # a bit of SUBFILE: this picture is a small copy of another
RAW_PHOTOMETRICS = {32803, 34892}  # colours behind a mosaic of filters, and linear ones of a sensor
RAW_COMPRESSIONS = {32767, 32769, 32770, 32772, 34713, 65000, 65535}  # of Sony, Epson, Samsung, Nikon, Kodak, Pentax
JPEG, FLOAT, COMPLEX, SEPARATE = 7, 3, (5, 6), 2
COMPRESSIONS = {1, 2, 3, 4, 5, 6, 7, 8, 32771, 32773, 32809, 32946, 34676, 34677, 34925, 50000}  # that Pillow knows
BIT_DEPTHS = {1, 2, 4, 8, 12, 16, 32}
TYPES = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
SIZES = {kind: struct.calcsize("=" + code) for kind, code in TYPES.items()} | {5: 8, 10: 8, 11: 4, 12: 8}
CUT = -1  # stands among the tags where something of theirs lies behind the end of the file
LONG = {STRIPS, STRIP_BYTES, TILES, TILE_BYTES}
WANTED = LONG | {SUBFILE, BITS, COMPRESSION, PHOTOMETRIC, MAKE, SAMPLES, PLANAR, SUB_IFDS, FORMAT}
WANTED |= {CFA_PATTERN, LEAF_DATA, DNG_VERSION}
MAX_IFDS, MAX_TAGS, MAX_VALUES, MAX_STRIPS = 32, 1024, 64, 100_000  # what one stranger's file may cost
RAW_SIGNATURES = {b"CR\x02\0": "Canon CR2", b"IIII": "Phase One IIQ", b"MMMM": "Phase One IIQ"}  # at byte 8
MAKERS = {
    "nikon": "Nikon NEF", "sony": "Sony ARW", "pentax": "Pentax PEF", "ricoh": "Pentax PEF", "samsung": "Samsung SRW",
    "kodak": "Kodak DCR", "eastman": "Kodak DCR", "hasselblad": "Hasselblad 3FR", "epson": "Epson ERF",
    "seiko": "Epson ERF", "mamiya": "Mamiya MEF", "leaf": "Leaf MOS", "canon": "Canon", "olympus": "Olympus ORF",
}  # fmt: skip

Tags = dict[int, tuple[int, ...]]


class Pages(NamedTuple):
    """The tags of a TIFF's pages, and of the further pictures that hang from them."""

    pages: list[Tags]
    others: list[Tags]


def name_raw(data: bytes) -> str | None:
    """Which camera raw format a TIFF is, or None for a plain one."""
    if data[8:12] in RAW_SIGNATURES:
        return RAW_SIGNATURES[data[8:12]]
    pages, others = _read(data)
    if not pages:
        return None
    first = pages[0]
    if DNG_VERSION in first:
        return "DNG"
    hidden = _is_reduced(first) and len(pages) == 1 and any(not _is_reduced(tags) for tags in others)
    if hidden or LEAF_DATA in first or any(_is_raw(tags) for tags in chain(pages, others)):
        maker = bytes(value & 255 for value in first.get(MAKE, ())).decode("latin-1").lower()
        return next((name for start, name in MAKERS.items() if maker.startswith(start)), "in the form of a TIFF")
    return None


def name_unreadable(data: bytes) -> str | None:
    """What keeps a whole TIFF from being read, to follow "a TIFF "; None where its tags name nothing unusual."""
    pages = _read(data).pages
    if not pages:
        return None
    tags = pages[main_page(data)]
    bits, samples = max(tags.get(BITS, (1,))), tags.get(SAMPLES, (1,))[0]
    kind, compression = tags.get(FORMAT, (1,))[0], tags.get(COMPRESSION, (1,))[0]
    if kind in COMPLEX:
        return "of complex numbers"
    if kind == FLOAT and (bits != 32 or samples > 1):
        return f"of {bits}-bit floating-point numbers" + (" in colour" if samples > 1 else "")
    if compression not in COMPRESSIONS:
        return f"compressed by method {compression}"
    if bits not in BIT_DEPTHS or (bits > 8 and compression == JPEG) or (bits > 16 and samples > 1):
        return f"of {bits} bits a sample"
    if samples > 4:
        return f"of {samples} channels"
    if is_misread(data):
        return f"of {bits} bits a sample in separate planes"
    return None


def is_misread(data: bytes) -> bool:
    """Whether Pillow would take the pixels for something else without a word: deep ones, plain, in separate planes."""
    pages = _read(data).pages
    if not pages:
        return False
    tags = pages[main_page(data)]
    separate = tags.get(PLANAR, (1,))[0] == SEPARATE and tags.get(SAMPLES, (1,))[0] > 1
    return separate and max(tags.get(BITS, (1,))) > 8 and tags.get(COMPRESSION, (1,))[0] == 1


def main_page(data: bytes) -> int:
    """Which page is the first that is not a small copy of another."""
    pages = _read(data).pages
    return next((at for at, tags in enumerate(pages) if not _is_reduced(tags)), 0)


def tiff_is_cut(data: bytes) -> bool:
    """Whether tags or pixels of the first page lie behind the end of the file."""
    pages = _read(data).pages
    if not pages:
        return True
    tags = pages[0]
    if CUT in tags:
        return True
    offsets = tags.get(STRIPS) or tags.get(TILES) or ()
    lengths = tags.get(STRIP_BYTES) or tags.get(TILE_BYTES) or (0,) * len(offsets)
    return any(start + length > len(data) for start, length in zip(offsets, lengths, strict=False))


def _is_reduced(tags: Tags) -> bool:
    return bool(tags.get(SUBFILE, (0,))[0] & REDUCED)


def _is_raw(tags: Tags) -> bool:
    return (
        CFA_PATTERN in tags
        or tags.get(PHOTOMETRIC, (0,))[0] in RAW_PHOTOMETRICS
        or tags.get(COMPRESSION, (0,))[0] in RAW_COMPRESSIONS
    )


def _read(data: bytes) -> Pages:
    """The tags of every page that can be reached; nothing where there is no sense in them."""
    pages: list[Tags] = []
    others: list[Tags] = []
    order, big = ("<" if data[:1] == b"I" else ">"), data[2:4] in (b"+\0", b"\0+")
    seen: set[int] = set()
    offset = _number(data, order, *((8, "Q") if big else (4, "I")))
    while offset and offset not in seen and len(pages) < MAX_IFDS:
        seen.add(offset)
        found = _directory(data, offset, order, big, MAX_VALUES if pages else MAX_STRIPS)
        if found is None:
            break
        pages.append(found[0])
        offset = found[1]
    for below in chain.from_iterable(tags.get(SUB_IFDS, ()) for tags in pages[:MAX_IFDS]):
        if below in seen or len(others) == MAX_IFDS:
            continue
        seen.add(below)
        found = _directory(data, below, order, big, MAX_VALUES)
        if found is not None:
            others.append(found[0])
    return Pages(pages, others)


def _directory(data: bytes, at: int, order: str, big: bool, most: int) -> tuple[Tags, int] | None:
    """The tags of one directory, long lists up to `most` values, and the place of the next; None if it is cut."""
    count_type, count_size, entry, place = ("Q", 8, 20, "Q") if big else ("H", 2, 12, "I")
    count, start = _number(data, order, at, count_type), at + count_size
    end = start + entry * count
    if not count or count > MAX_TAGS or end > len(data):
        return None
    tags: Tags = {}
    for position in range(start, end, entry):
        tag, kind = struct.unpack_from(order + "HH", data, position)
        number, inline = _number(data, order, position + 4, place), position + 4 + struct.calcsize(place)
        size = number * SIZES.get(kind, 0)
        where = inline if size <= struct.calcsize("=" + place) else _number(data, order, inline, place)
        if where + size > len(data):
            tags[CUT] = ()
        elif size and tag in WANTED and tag not in tags and kind in TYPES:
            number = min(number, most if tag in LONG else MAX_VALUES)
            tags[tag] = struct.unpack_from(f"{order}{number}{TYPES[kind]}", data, where)
    if end + struct.calcsize("=" + place) > len(data):
        tags[CUT] = ()
    return tags, _number(data, order, end, place)


def _number(data: bytes, order: str, at: int, kind: str) -> int:
    """One unsigned number, or 0 behind the end."""
    if at + struct.calcsize("=" + kind) > len(data):
        return 0
    value: int = struct.unpack_from(order + kind, data, at)[0]
    return value
