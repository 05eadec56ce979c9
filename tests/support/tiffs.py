"""TIFF files made tag by tag, as cameras and microscopes write them and Pillow does not."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence

Values = int | bytes | tuple[int, ...]
Page = Mapping[int, Values]  # whole numbers are written as 32 bits, bytes as text
PIXELS, PIXEL_BYTES, SUB_IFDS = 273, 279, 330


def tiff(*pages: Page, pixels: Sequence[bytes] = (), below: Sequence[Page] = ()) -> bytes:
    """A TIFF with these pages. `pixels` are their strips in turn; `below` hangs from the first page as SubIFDs."""
    everything = [dict(page) for page in (*pages, *below)]
    for page, strip in zip(everything, pixels, strict=False):
        page |= {PIXELS: 0, PIXEL_BYTES: len(strip)}
    if below:
        everything[0][SUB_IFDS] = (0,) * len(below)
    places, at = [], 8
    for page in everything:
        places.append(at)
        at += 6 + 12 * len(page) + sum(len(_encoded(values)) for values in page.values() if len(_encoded(values)) > 4)
    for page, strip in zip(everything, pixels, strict=False):
        page[PIXELS] = at
        at += len(strip)
    if below:
        everything[0][SUB_IFDS] = tuple(places[len(pages) :])
    out = b"II*\0" + struct.pack("<I", 8)
    for number, page in enumerate(everything):
        following = places[number + 1] if number + 1 < len(pages) else 0
        out += _directory(page, places[number], following)
    return out + b"".join(pixels)


def _encoded(values: Values) -> bytes:
    if isinstance(values, bytes):
        return values
    numbers = (values,) if isinstance(values, int) else values
    return struct.pack(f"<{len(numbers)}I", *numbers)


def _directory(page: Page, at: int, following: int) -> bytes:
    entries, bodies, start = b"", b"", at + 6 + 12 * len(page)
    for tag, values in sorted(page.items()):
        body = _encoded(values)
        kind, count = (2, len(body)) if isinstance(values, bytes) else (4, len(body) // 4)
        if len(body) > 4:
            entries += struct.pack("<HHII", tag, kind, count, start + len(bodies))
            bodies += body
        else:
            entries += struct.pack("<HHI", tag, kind, count) + body.ljust(4, b"\0")
    return struct.pack("<H", len(page)) + entries + struct.pack("<I", following) + bodies
