"""Colours come out as whoever made the picture saw them: by what its profile or its chunks say, whatever the names."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from pillow_heif import from_pillow

from core.images import profiles
from core.images.colour_tags import h273_colours
from core.images.decode import ImageSpec, decode_image
from tests.support.pictures import BLUE, GREEN, LIMIT, RED, WHITE, corners, quarters, saved

SPEC = ImageSpec(size=(8, 8))
SKIN = (200, 150, 120)
LINEAR, P3, REC_2020, PQ, HLG, SRGB_CURVE = 8, 12, 9, 16, 18, 13  # numbers of ITU-T H.273
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def of(colour: Any, mode: str = "RGB") -> Image.Image:
    return Image.new(mode, (16, 16), colour)


def seen(data: bytes) -> list[int]:
    """The colour in the middle."""
    found: list[int] = decode_image(data, SPEC, LIMIT).pixels[4, 4].tolist()
    return found


def near(found: list[int], wanted: tuple[int, ...], by: int = 2) -> bool:
    return all(abs(one - other) <= by for one, other in zip(found, wanted, strict=True))


def made_profile(primaries: int = 1, transfer: int = SRGB_CURVE) -> bytes:
    profile = h273_colours(primaries, transfer)
    assert profile is not None
    return profile


def with_tags(profile: bytes, **changed: bytes) -> bytes:
    """A profile with some of its tags replaced, or added; a tag of no bytes is taken out."""
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = [struct.unpack_from(">4sII", profile, 132 + 12 * at) for at in range(count)]
    tags = {name: profile[start : start + size] for name, start, size in entries}
    tags |= {name.encode(): body for name, body in changed.items()}
    directory, bodies, at = b"", b"", 132 + 12 * sum(map(bool, tags.values()))
    for name, body in tags.items():
        if body:
            directory += struct.pack(">4sII", name, at + len(bodies), len(body))
            bodies += body + bytes(-len(body) % 4)
    made = profile[:128] + struct.pack(">I", len(directory) // 12) + directory + bodies
    return struct.pack(">I", len(made)) + made[4:]


def named(profile: bytes, name: str) -> bytes:
    text = name.encode("utf-16-be")
    return with_tags(profile, desc=b"mluc" + struct.pack(">5I", 0, 1, 12, 0x656E5553, len(text)) + b"\0\0\0\x1c" + text)


def grey_profile(gamma: float) -> bytes:
    profile = made_profile()
    profile = profile[:16] + b"GRAY" + profile[20:]
    curve = b"curv" + struct.pack(">IIH", 0, 1, round(gamma * 256))
    gone = dict.fromkeys(("rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"), b"")
    return with_tags(profile, kTRC=curve, **gone)


def table_profile(space: bytes, corner_colours: list[tuple[int, int, int]]) -> bytes:
    """A profile with nothing but a table from the corners of a space to Lab, as scanners and printers have."""
    lab = ImageCms.createProfile("LAB")
    row = Image.new("RGB", (len(corner_colours), 1))
    row.putdata(corner_colours)
    target = ImageCms.profileToProfile(row, ImageCms.createProfile("sRGB"), lab, outputMode="LAB")
    assert target is not None
    cells = np.asarray(target).copy()
    cells[..., 1:] ^= 0x80  # Pillow counts a and b from 0, ICC from -128
    channels = (len(corner_colours)).bit_length() - 1
    ramp = bytes(range(256))
    unit = struct.pack(">9i", *(65_536 if at in (0, 4, 8) else 0 for at in range(9)))
    body = b"mft1\0\0\0\0" + bytes((channels, 3, 2, 0)) + unit + ramp * channels + cells.tobytes() + ramp * 3
    profile = bytearray(made_profile())
    profile[8:12], profile[12:24] = b"\x02\x10\0\0", b"scnr" + space + b"Lab "
    gone = dict.fromkeys(("rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"), b"")
    return with_tags(bytes(profile), A2B0=body, **gone)


@pytest.mark.parametrize("name", ["sRGB IEC61966-2.1", "sRGB", "Linear sRGB", "Adobe RGB", "", "c2"])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_profile_is_judged_by_its_content(kind: str, name: str) -> None:
    linear = named(made_profile(1, LINEAR), name)
    assert ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(linear))).strip() == name
    picture, options = of((55, 55, 55)), {"lossless": True} if kind == "WEBP" else {}
    assert near(seen(saved(picture, kind, icc_profile=linear, **options)), (128, 128, 128), by=3)
    same = named(made_profile(), name)
    assert seen(saved(picture, kind, icc_profile=same, **options)) == seen(saved(picture, kind, **options))


def test_srgb_leaves_pixels_as_they_are() -> None:
    rough = Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8))
    plain = decode_image(saved(rough, "PNG"), SPEC, LIMIT).pixels
    for profile in (SRGB, made_profile(), named(SRGB, "anything")):
        assert (decode_image(saved(rough, "PNG", icc_profile=profile), SPEC, LIMIT).pixels == plain).all()


def test_wide_colours() -> None:
    # The same sRGB colour in Display P3, and one of P3 as sRGB shows it: values of Apple's ColorSync and of browsers.
    assert near(seen(saved(of((194, 152, 124)), "PNG", icc_profile=made_profile(P3))), SKIN)
    assert near(seen(saved(of(SKIN), "PNG", icc_profile=made_profile(P3))), (209, 148, 116))
    assert near(seen(saved(of(SKIN), "PNG", icc_profile=made_profile(REC_2020))), (227, 142, 114))


def test_grey_pixels_with_profiles() -> None:
    grey = of(55, "L")
    assert near(seen(saved(grey, "JPEG", icc_profile=grey_profile(1.0))), (128, 128, 128))
    assert near(seen(saved(grey, "PNG", icc_profile=grey_profile(2.2))), (55, 55, 55), by=6)
    # Many programs leave the profile for RGB in a picture that they make grey, and browsers apply it.
    for kind in ("JPEG", "PNG", "TIFF"):
        assert near(seen(saved(grey, kind, icc_profile=made_profile(1, LINEAR))), (128, 128, 128))
    assert near(seen(saved(of((55, 255), "LA"), "PNG", icc_profile=made_profile(1, LINEAR))), (128, 128, 128))
    deep = np.full((16, 16), 55 * 257, np.uint16)
    deep[0, 0] = 65_535  # says how many bits count
    assert near(seen(saved(Image.fromarray(deep), "PNG", icc_profile=made_profile(1, LINEAR))), (128, 128, 128))


def test_profiles_that_are_for_other_pixels_are_ignored() -> None:
    for profile in (grey_profile(1.0), table_profile(b"CMYK", [WHITE] * 16)):
        assert near(seen(saved(of(SKIN), "PNG", icc_profile=profile)), SKIN)
    assert corners(saved(quarters().convert("CMYK"), "TIFF", icc_profile=made_profile(1, LINEAR)))[0] == RED
    for kind in (b"link", b"abst", b"nmcl"):
        strange = made_profile(1, LINEAR)
        assert near(seen(saved(of(SKIN), "PNG", icc_profile=strange[:12] + kind + strange[16:])), SKIN)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_broken_profiles_are_ignored(kind: str) -> None:
    linear = made_profile(1, LINEAR)
    black = b"curv" + struct.pack(">II4H", 0, 4, 0, 0, 0, 0)
    broken = [
        b"x", b"x" * 500, linear[:100], linear[:200], linear[:140] + b"\xff" * 200, linear[:128] + bytes(4),
        with_tags(linear, rTRC=b""), with_tags(linear, gXYZ=b""), with_tags(linear, rTRC=black, gTRC=black, bTRC=black),
        with_tags(linear, rXYZ=linear[100:120], gXYZ=bytes(20)), linear[:36] + b"nope" + linear[40:],
    ]  # fmt: skip
    for profile in broken:
        assert corners(saved(quarters(), kind, icc_profile=profile)) == [RED, GREEN, BLUE, WHITE], profile[:20]


def test_profiles_made_of_tables() -> None:
    # Corners in the order of the table, the last channel fastest; red and blue trade places in both.
    rgb = [(255 * (at & 1), 255 * (at >> 1 & 1), 255 * (at >> 2 & 1)) for at in range(8)]
    assert corners(saved(quarters(), "PNG", icc_profile=table_profile(b"RGB ", rgb))) == [BLUE, GREEN, RED, WHITE]
    inks = [
        tuple(255 * (1 - (at >> shift & 1)) * (1 - (at & 1)) for shift in (1, 2, 3)) for at in range(16)
    ]  # of cyan, magenta, yellow and black
    swapped = table_profile(b"CMYK", inks)  # type: ignore[arg-type]
    assert corners(saved(quarters().convert("CMYK"), "TIFF", icc_profile=swapped)) == [BLUE, GREEN, RED, WHITE]


def test_a_profile_is_worked_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = ImageCms.ImageCmsTransform
    monkeypatch.setattr(ImageCms, "ImageCmsTransform", lambda *args: made.append(args) or real(*args))
    monkeypatch.setattr(profiles, "_transforms", profiles._Transforms())
    data = saved(of(SKIN), "JPEG", icc_profile=made_profile(P3))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(seen, [data] * 100))
    assert all(near(one, (209, 148, 116), by=3) for one in found)
    assert len(made) <= 8  # as many as began at once


def test_what_is_kept_of_profiles_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "_transforms", profiles._Transforms())
    for number in range(profiles.KEPT + 9):
        profiles.to_srgb(of(SKIN), named(made_profile(P3), str(number)))
    assert len(profiles._transforms._kept) == profiles.KEPT


def png_with(data: bytes, **chunks: bytes) -> bytes:
    """A PNG with chunks put behind its header."""
    extra = b""
    for name, body in chunks.items():
        extra += struct.pack(">I", len(body)) + name.encode() + body
        extra += struct.pack(">I", zlib.crc32(name.encode() + body))
    return data[:33] + extra + data[33:]


def gamma(value: float) -> bytes:
    return struct.pack(">I", round(value * 100_000))


def places(*values: float) -> bytes:
    return struct.pack(">8I", *(round(value * 100_000) for value in values))


SRGB_PLACES = places(0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
P3_PLACES = places(0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ({"gAMA": gamma(1.0)}, (229, 202, 182)),  # linear light
        ({"gAMA": gamma(1.0), "cHRM": SRGB_PLACES}, (229, 202, 182)),
        ({"gAMA": gamma(0.55556)}, (210, 167, 139)),  # Macs before 2009
        ({"gAMA": gamma(0.45455)}, SKIN),  # what goes with sRGB
        ({"gAMA": gamma(0.45455), "cHRM": SRGB_PLACES}, SKIN),
        ({"gAMA": gamma(0.45455), "cHRM": P3_PLACES}, (209, 148, 116)),
        ({"cHRM": P3_PLACES}, (209, 148, 116)),
        ({"cHRM": SRGB_PLACES}, SKIN),
        ({"sRGB": b"\0", "gAMA": gamma(1.0), "cHRM": P3_PLACES}, SKIN),
        ({"gAMA": gamma(0)}, SKIN),  # nonsense
        ({"gAMA": gamma(2.2)}, SKIN),  # a display's, where a file's belongs
        ({"gAMA": b"\xff\xff\xff\xff"}, SKIN),
        ({"cHRM": bytes(32)}, SKIN),
        ({"gAMA": gamma(0.45455), "cHRM": places(0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3)}, SKIN),
        ({"cICP": bytes((P3, SRGB_CURVE, 0, 1))}, (209, 148, 116)),
        ({"cICP": bytes((1, SRGB_CURVE, 0, 1)), "gAMA": gamma(1.0)}, SKIN),
        ({"cICP": bytes((1, LINEAR, 0, 1)), "sRGB": b"\0"}, (229, 202, 182)),
        ({"cICP": bytes((2, 2, 0, 1))}, SKIN),
        ({"cICP": bytes((200, 200, 0, 1))}, SKIN),
        ({"cICP": b"\x0c"}, SKIN),
    ],
)
def test_what_the_chunks_of_a_png_say(chunks: dict[str, bytes], wanted: tuple[int, ...]) -> None:
    assert near(seen(png_with(saved(of(SKIN), "PNG"), **chunks)), wanted)


def test_which_chunk_of_a_png_counts() -> None:
    with_profile = saved(of(SKIN), "PNG", icc_profile=made_profile(P3))
    assert near(seen(png_with(with_profile, gAMA=gamma(1.0))), (209, 148, 116))
    assert near(seen(png_with(with_profile, cICP=bytes((1, SRGB_CURVE, 0, 1)))), SKIN)
    grey = png_with(saved(of(55, "L"), "PNG"), gAMA=gamma(1.0), cHRM=P3_PLACES)
    assert near(seen(grey), (128, 128, 128))
    palette = png_with(saved(of(SKIN).convert("P", palette=Image.Palette.ADAPTIVE), "PNG"), gAMA=gamma(1.0))
    assert near(seen(palette), (229, 202, 182))


def test_paper_is_white_in_hdr() -> None:
    # 203 cd/m2 are 58 % of PQ's scale and 75 % of HLG's (ITU-R BT.2408); what is brighter is clipped.
    for transfer, share in ((PQ, 0.581), (HLG, 0.75)):
        data = saved(of((round(share * 255),) * 3), "PNG")
        assert near(seen(png_with(data, cICP=bytes((REC_2020, transfer, 0, 1)))), (255, 255, 255), by=3)
        dark = saved(of((round(share * 255 * 0.7),) * 3), "PNG")
        assert 60 < seen(png_with(dark, cICP=bytes((REC_2020, transfer, 0, 1))))[0] < 200


def test_the_colours_that_heif_and_avif_declare() -> None:
    out = io.BytesIO()
    numbers = {"color_primaries": P3, "transfer_characteristics": 13, "matrix_coefficients": 6, "full_range_flag": 1}
    from_pillow(of(SKIN)).save(out, quality=100, chroma=444, save_nclx_profile=True, **numbers)
    assert near(seen(out.getvalue()), (209, 148, 116), by=4)
    avif = saved(of(SKIN), "AVIF", quality=100, subsampling="4:4:4")
    at = avif.index(b"colrnclx") + 8
    assert near(seen(avif), SKIN, by=4)
    assert near(seen(avif[:at] + struct.pack(">HH", P3, 13) + avif[at + 4 :]), (209, 148, 116), by=4)
    profiled = saved(of(SKIN), "AVIF", quality=100, subsampling="4:4:4", icc_profile=made_profile(1, LINEAR))
    assert near(seen(profiled), (229, 202, 182), by=4)
