"""What the markers of a JPEG say, without decoding it: its process, its scans, and where its pixels end.

Source: ITU-T T.81, annex B for the markers and annex G for what the scans of a progressive file must bring.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

END = b"\xff\xd9"
SOS, DRI, APP2 = 0xDA, 0xDD, 0xE2
FRAMES = {0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF, 0xF7}
PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
ARITHMETIC = {0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}
HIERARCHICAL = {0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF}
JPEG_LS = 0xF7
ALONE = {0x01, *range(0xD0, 0xD9)}  # markers without a length behind them
COEFFICIENTS = 64  # of a block
MARKER = re.compile(rb"\xff+([\x01-\xfe])")
# Inside coded data, 0xff is followed by 0 or is part of a restart marker; anything else ends it.
ENDS_CODED = np.isin(np.arange(256), (0x00, *range(0xD0, 0xD8), 0xFF), invert=True)
PIECE = 1 << 18  # bytes
RESTART = re.compile(rb"\xff[\xd0-\xd7]")


class Component(NamedTuple):
    """One channel: its id, and how densely it is sampled across and down."""

    number: int
    across: int
    down: int


class Frame(NamedTuple):
    """The frame header. `process` is the second byte of its marker: 0xC0 for a baseline JPEG, and so on."""

    process: int
    bits: int
    width: int
    height: int
    components: tuple[Component, ...]


class Segment(NamedTuple):
    """A marker with the place of what it carries; `coded_end` is where coded data behind it ends."""

    marker: int
    start: int
    end: int
    coded_end: int


@dataclass(slots=True)
class Jpeg:
    """A JPEG up to the scan behind which no pixel is missing, or, where scans are missing, up to the file's end."""

    data: bytes
    frame: Frame | None = None
    indices: list[tuple[int, int]] = field(default_factory=list)  # where lists of further pictures lie in the file
    scan: tuple[Component, ...] = ()  # the channels of the last scan
    coded: tuple[int, int] = (0, 0)  # where the last scan's coded data starts and ends
    restart_interval: int = 0  # units between restart markers in the last scan; 0: it has none
    has_all_scans: bool = False

    @property
    def ended(self) -> bool:
        """Whether an end marker follows the last scan, be it all there or not."""
        return bool(self.scan) and self.data.startswith(END, self.coded[1])

    def until(self, coded_end: int) -> bytes:
        """The file with the last scan's data cut at an offset and ended there, and without lists of other pictures."""
        parts, at = [], 0
        for start, end in self.indices:
            parts.append(self.data[at:start])
            at = end
        return b"".join([*parts, self.data[at:coded_end], END])

    def lacks_restarts(self) -> bool:
        """Whether the last scan has fewer restart markers than its size asks for."""
        if not self.restart_interval or self.frame is None:
            return False
        expected = -(-_units(self.frame, self.scan) // self.restart_interval) - 1
        return sum(1 for _ in RESTART.finditer(self.data, *self.coded)) < expected


def read_jpeg(data: bytes) -> Jpeg:
    """Read the markers of a JPEG. Never fails: what makes no sense ends the reading."""
    jpeg, restart_interval = Jpeg(data), 0
    missing: dict[int, set[int]] = {}  # by channel: the coefficients that no scan has brought in full yet
    for segment in _segments(data):
        body = data[segment.start : segment.end]
        if segment.marker in FRAMES and jpeg.frame is None:
            jpeg.frame = _frame(segment.marker, body)
            if jpeg.frame is None:
                break
            missing = {one.number: set(range(COEFFICIENTS)) for one in jpeg.frame.components}
        elif segment.marker == DRI and len(body) == 2:
            (restart_interval,) = struct.unpack(">H", body)
        elif segment.marker == APP2 and body.startswith(b"MPF\0"):
            jpeg.indices.append((segment.start - 4, segment.end))
        elif segment.marker == SOS and jpeg.frame is not None:
            scan = _scan(jpeg.frame, body)
            if not scan:
                break
            jpeg.scan, jpeg.restart_interval = scan, restart_interval
            jpeg.coded = (segment.end, segment.coded_end)
            brought = _brought(jpeg.frame, body)
            for one in scan:
                missing[one.number] -= brought
            if not any(missing.values()):
                jpeg.has_all_scans = True
                break
    return jpeg


def _segments(data: bytes) -> Iterator[Segment]:
    """The segments that carry something, in order, until the end marker or nonsense."""
    at = 2
    while found := MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker in ALONE:
            continue
        if marker == END[1] or at + 2 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, at)
        start, end = at + 2, at + length
        if length < 2 or end > len(data):
            return
        at = end
        if marker == SOS:
            at = _coded_end(data, end)
        yield Segment(marker, start, end, at)


def _coded_end(data: bytes, at: int) -> int:
    """Where the first marker that ends coded data stands; the end of the file if there is none."""
    everything = np.frombuffer(data, np.uint8)
    for start in range(at, len(data), PIECE):
        piece = everything[start : start + PIECE + 1]
        marks = np.flatnonzero(piece[:-1] == 0xFF)
        ends = marks[ENDS_CODED[piece[marks + 1]]]
        if ends.size:
            return start + int(ends[0])
    return len(data)


def _frame(process: int, body: bytes) -> Frame | None:
    if len(body) < 6 or len(body) < 6 + 3 * body[5]:
        return None
    bits, height, width, count = struct.unpack_from(">BHHB", body)
    parts = [body[6 + 3 * at : 9 + 3 * at] for at in range(count)]
    components = tuple(Component(number, density >> 4 or 1, density & 15 or 1) for number, density, _ in parts)
    return Frame(process, bits, width, height, components)


def _scan(frame: Frame, body: bytes) -> tuple[Component, ...]:
    """The channels of a scan; none where the header cannot be one, as in what a camera appends to its files."""
    count = body[0] if body else 0
    if not 1 <= count <= 4 or len(body) != 4 + 2 * count:
        return ()
    known = {one.number: one for one in frame.components}
    numbers = body[1 : 1 + 2 * count : 2]
    return tuple(known[number] for number in numbers) if known.keys() >= set(numbers) else ()


def _brought(frame: Frame, body: bytes) -> set[int]:
    """The coefficients that are complete with a scan: of a progressive one, none while low bits are kept back."""
    if frame.process not in PROGRESSIVE:
        return set(range(COEFFICIENTS))
    first, last, shift = body[-3:]
    return set() if shift & 15 else set(range(first, last + 1))


def _units(frame: Frame, scan: tuple[Component, ...]) -> int:
    """How many units a scan has: single blocks of a channel alone, else groups of blocks of interleaved channels."""
    width, height = 8 * max(one.across for one in frame.components), 8 * max(one.down for one in frame.components)
    if len(scan) == 1:
        width, height = width // scan[0].across, height // scan[0].down
    return -(-frame.width // max(width, 1)) * -(-frame.height // max(height, 1))
