"""Colours that a file declares by numbers instead of an ICC profile, made into a profile so that one way serves all.

PNG has the chunks cICP, sRGB, gAMA and cHRM (W3C PNG, third edition, 4.3); HEIF and AVIF have the box `nclx`. The
numbers of cICP and nclx are those of ITU-T H.273.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Chromaticities = tuple[float, ...]  # x and y of white, red, green, blue, as in PNG's cHRM
D65, ILLUMINANT_C, DCI_WHITE = (0.3127, 0.3290), (0.310, 0.316), (0.314, 0.351)
SRGB: Chromaticities = (*D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
PRIMARIES: dict[int, Chromaticities] = {
    1: SRGB,
    4: (*ILLUMINANT_C, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
    5: (*D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (*DCI_WHITE, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
}
SRGB_CURVE = "sRGB"
# Those of cameras' video (1, 6, 14, 15) are shown as sRGB by browsers, and what nobody specified (2) is sRGB.
CURVES: dict[int, float | str] = {4: 2.2, 5: 2.8, 8: 1.0, 16: "PQ", 18: "HLG"}
PAPER_WHITE = 203.0  # cd/m2 of white paper in HDR (ITU-R BT.2408); what is brighter is clipped
STEPS = 1024  # of a curve
SANE_GAMMA = (0.2, 1.2)  # of gAMA; 1 is linear light, and some writers put 2.2 where 1 / 2.2 belongs
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
D50 = np.array([0.9642, 1.0, 0.8249])
PROPERTIES = 65_536  # bytes of an AVIF within which its properties lie


def png_colours(data: bytes) -> bytes | None:
    """An ICC profile for what a PNG's chunks say of its colours; None where they say nothing, or sRGB.

    cICP counts first, and sRGB before gAMA and cHRM. A profile in iCCP, which counts after cICP, is read by Pillow.
    """
    found = dict(_chunks(data))
    if len(found.get(b"cICP", b"")) == 4:
        return h273_colours(*found[b"cICP"][:2])
    if b"iCCP" in found or b"sRGB" in found:
        return None
    gamma, places = found.get(b"gAMA", b""), found.get(b"cHRM", b"")
    exponent = struct.unpack(">I", gamma)[0] / 100_000 if len(gamma) == 4 else 0.0
    primaries = tuple(value / 100_000 for value in struct.unpack(">8I", places)) if len(places) == 32 else SRGB
    if SANE_GAMMA[0] <= exponent <= SANE_GAMMA[1]:
        # 1 / 2.2 is what the standard has writers of sRGB put there.
        return _profile(primaries, SRGB_CURVE if abs(exponent - 0.45455) < 0.0005 else 1 / exponent)
    return None if primaries == SRGB else _profile(primaries, SRGB_CURVE)


def avif_colours(data: bytes) -> bytes | None:
    """An ICC profile for the first `nclx` box of an AVIF, or None."""
    at = data.find(b"colrnclx", 0, PROPERTIES)
    return h273_colours(*struct.unpack_from(">HH", data, at + 8)) if 0 <= at <= len(data) - 12 else None


def h273_colours(primaries: int, transfer: int) -> bytes | None:
    """An ICC profile for numbers of H.273; None for primaries that nobody specified or nobody knows."""
    return _profile(PRIMARIES[primaries], CURVES.get(transfer, SRGB_CURVE)) if primaries in PRIMARIES else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Names and contents of a PNG's chunks about colour; they come before the pixels."""
    at = 8
    while at + 12 <= len(data) and (name := data[at + 4 : at + 8]) != b"IDAT":
        (length,) = struct.unpack_from(">I", data, at)
        if name in (b"cICP", b"iCCP", b"sRGB", b"gAMA", b"cHRM"):
            yield name, data[at + 8 : at + 8 + min(length, 32)]
        at += 12 + length


@functools.lru_cache(maxsize=64)
def _profile(places: Chromaticities, curve: float | str) -> bytes | None:
    """A profile of ICC version 4 by primaries and one curve for all channels; None where the primaries are nonsense."""
    columns = _primaries_in_d50(places)
    if columns is None:
        return None
    tags = [(name, _xyz(column)) for name, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns.T, strict=True)]
    tags.append((b"wtpt", _xyz(D50)))
    tags += [(name, _curve(curve)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    directory, bodies, at = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for name, body in tags:
        directory += name + struct.pack(">II", at + len(bodies), len(body))
        bodies += body
    size = struct.pack(">I", at + len(bodies))
    kind = struct.pack(">II", 0, 0x04300000) + b"mntrRGB XYZ " + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + b"acsp"
    return (size + kind).ljust(68, b"\0") + _fixed(*D50) + bytes(48) + directory + bodies


def _primaries_in_d50(places: Chromaticities) -> NDArray[np.float64] | None:
    """The XYZ of red, green and blue as columns, adapted from their white to that of ICC profiles."""
    x, y = np.array(places[0::2]), np.array(places[1::2])
    if (y <= 0).any():
        return None
    xyz = np.array([x / y, np.ones(4), (1 - x - y) / y])
    white, primaries = xyz[:, 0], xyz[:, 1:]
    if abs(np.linalg.det(primaries)) < 1e-3:
        return None
    cones = (BRADFORD @ D50) / (BRADFORD @ white)
    adapted = (
        np.linalg.inv(BRADFORD) @ np.diag(cones) @ BRADFORD @ primaries @ np.diag(np.linalg.solve(primaries, white))
    )
    return adapted if np.abs(adapted).max() < 8 else None


def _curve(curve: float | str) -> bytes:
    """From a channel's value to light, as a tag."""
    if curve == SRGB_CURVE:
        return b"para\0\0\0\0\0\3\0\0" + _fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    if not isinstance(curve, str):
        return b"para\0\0\0\0\0\0\0\0" + _fixed(curve)
    value = np.linspace(0.0, 1.0, STEPS)
    if curve == "PQ":  # SMPTE ST 2084
        power = value ** (1 / 78.84375)
        light = 10_000 * (np.maximum(power - 0.8359375, 0) / (18.8515625 - 18.6875 * power)) ** (1 / 0.1593017578125)
    else:  # ITU-R BT.2100, for a display of 1,000 cd/m2
        scene = np.where(value <= 0.5, value**2 / 3, (np.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12)
        light = 1000 * scene**1.2
    table = np.round(np.clip(light / PAPER_WHITE, 0, 1) * 65_535).astype(">u2").tobytes()
    return b"curv\0\0\0\0" + struct.pack(">I", STEPS) + table


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*values)


def _fixed(*values: float) -> bytes:
    """Numbers of 16 bits before and 16 behind the point."""
    return struct.pack(f">{len(values)}i", *(round(float(value) * 65_536) for value in values))
