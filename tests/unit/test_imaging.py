"""Images are made here, one for each way a file can be odd, so that the tests need no folder of samples."""

from __future__ import annotations

import struct
import subprocess
import sys
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import thread_time

import numpy as np
import pytest
from PIL import Image, ImageCms

from core.errors import ItemError
from core.images.decode import ImageSpec, decode_image, inspect_image
from tests.support.pictures import (
    BLUE,
    GREEN,
    IDAT,
    IEND,
    IHDR,
    LIMIT,
    RED,
    SPEC,
    WHITE,
    code,
    corners,
    heif,
    png,
    quarters,
    saved,
)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "GIF"])
def test_formats(kind: str) -> None:
    data = saved(quarters(), kind)
    decoded = decode_image(data, SPEC, LIMIT)
    assert decoded.pixels.shape == (40, 40, 3)
    assert decoded.pixels.dtype == np.uint8
    assert (decoded.format, decoded.media) == (kind, {"width": 120, "height": 80})
    assert corners(data) == [RED, GREEN, BLUE, WHITE]
    info = inspect_image(data, LIMIT)
    assert (info.format, info.width, info.height) == (kind, 120, 80)


def test_heif() -> None:
    assert corners(heif(quarters())) == [RED, GREEN, BLUE, WHITE]
    assert inspect_image(heif(quarters()), LIMIT).format == "HEIF"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(10))
def test_orientation(kind: str, orientation: int) -> None:
    turn = {2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE"}
    turn |= {6: "ROTATE_90", 7: "TRANSVERSE", 8: "ROTATE_270"}  # how it lies in the file, so the other way round
    upright = quarters()
    stored = upright.transpose(Image.Transpose[turn[orientation]]) if orientation in turn else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(stored, kind, exif=exif)
    wide = ImageSpec(size=(60, 40))
    assert corners(data, wide) == [RED, GREEN, BLUE, WHITE]
    assert decode_image(data, wide, LIMIT).media == {"width": 120, "height": 80}
    info = inspect_image(data, LIMIT)
    assert (info.width, info.height) == (120, 80)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_transparency_lies_over_white(kind: str) -> None:
    image = quarters().convert("RGBA")
    image.paste((0, 0, 0, 0), (0, 0, 60, 40))
    assert corners(saved(image, kind)) == [WHITE, GREEN, BLUE, WHITE]


def test_transparency_does_not_bleed() -> None:
    # Black that cannot be seen must not darken its neighbours when the image is scaled.
    image = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    image.paste((255, 255, 255, 255), (0, 0, 200, 400))
    assert decode_image(saved(image, "PNG"), SPEC, LIMIT).pixels.min() > 250


def test_palette_and_its_transparency() -> None:
    palette = quarters().convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    assert corners(saved(palette, "PNG")) == [RED, GREEN, BLUE, WHITE]
    index = palette.getpixel((0, 0))
    for kind in ("PNG", "GIF"):
        assert corners(saved(palette, kind, transparency=index)) == [WHITE, GREEN, BLUE, WHITE]
    assert corners(saved(quarters(), "PNG", transparency=GREEN)) == [RED, WHITE, BLUE, WHITE]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "I;16"])
def test_grey(mode: str) -> None:
    grey = Image.new("L", (80, 80), 0)
    grey.paste(255, (40, 0, 80, 80))
    image = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257) if mode == "I;16" else grey.convert(mode)
    black = (0, 0, 0)
    assert corners(saved(image, "PNG")) == [black, WHITE, black, WHITE]


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_deep_grey_is_scaled_and_not_clipped(bits: int, kind: str) -> None:
    ramp = np.tile(np.linspace(0, (1 << bits) - 1, 256).astype(np.uint16), (64, 1))
    row = decode_image(saved(Image.fromarray(ramp), kind), SPEC, LIMIT).pixels[20, :, 0].astype(int)
    assert np.abs(row - np.linspace(3, 252, 40)).max() < 6


@pytest.mark.parametrize("white", [1.0, 255.0, 65_535.0])
def test_floats_and_wide_integers(white: float) -> None:
    ramp = np.tile(np.linspace(0, white, 256), (64, 1))
    for image in (Image.fromarray(ramp.astype(np.float32)), Image.fromarray(ramp.astype(np.int32))):
        if white == 1.0 and image.mode == "I":
            continue
        row = decode_image(saved(image, "TIFF"), SPEC, LIMIT).pixels[20, :, 0].astype(int)
        assert np.abs(row - np.linspace(3, 252, 40)).max() < 6


def test_float_with_nan_and_negative_values() -> None:
    values = np.tile(np.linspace(-5, 5, 64, dtype=np.float32), (64, 1))
    values[0, 0] = np.nan
    row = decode_image(saved(Image.fromarray(values), "TIFF"), SPEC, LIMIT).pixels[20, :, 0]
    assert row[0] < 10
    assert row[-1] > 245


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk(kind: str) -> None:
    assert corners(saved(quarters().convert("CMYK"), kind)) == [RED, GREEN, BLUE, WHITE]


def test_lab() -> None:
    profile = ImageCms.createProfile("LAB")
    lab = ImageCms.profileToProfile(quarters(), ImageCms.createProfile("sRGB"), profile, outputMode="LAB")
    assert lab is not None
    assert corners(saved(lab, "TIFF")) == [RED, GREEN, BLUE, WHITE]


def test_colour_profile_is_applied_and_a_broken_one_ignored() -> None:
    plain = decode_image(saved(quarters(), "PNG"), SPEC, LIMIT).pixels
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    # sRGB with its red and blue primaries swapped: the tags of the profile's directory trade places.
    swapped = profile.replace(b"rXYZ", b"tmp!").replace(b"bXYZ", b"rXYZ").replace(b"tmp!", b"bXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    assert corners(saved(quarters(), "PNG", icc_profile=swapped)) == [BLUE, GREEN, RED, WHITE]
    for broken in (profile[:200], b"x" * 500, profile[:64] + b"\xff" * 200 + profile[264:]):
        for kind in ("PNG", "JPEG", "WEBP"):
            assert corners(saved(quarters(), kind, icc_profile=broken)) == [RED, GREEN, BLUE, WHITE]
    assert (decode_image(saved(quarters(), "PNG", icc_profile=profile), SPEC, LIMIT).pixels == plain).all()


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF"])
def test_first_frame_of_many(kind: str) -> None:
    others = [Image.new("RGB", (120, 80), (0, 0, at % 256)) for at in range(30)]
    assert corners(saved(quarters(), kind, save_all=True, append_images=others)) == [RED, GREEN, BLUE, WHITE]


def test_mpo() -> None:
    data = saved(quarters(), "MPO", save_all=True, append_images=[Image.new("RGB", (120, 80))])
    assert decode_image(data, SPEC, LIMIT).format == "MPO"
    assert corners(data) == [RED, GREEN, BLUE, WHITE]


def test_large_jpeg_keeps_its_corners() -> None:
    data = saved(quarters(1600, 1200), "JPEG")
    assert corners(data) == [RED, GREEN, BLUE, WHITE]
    assert decode_image(data, SPEC, LIMIT).media == {"width": 1600, "height": 1200}


def test_not_an_image() -> None:
    assert code(b"") == "image_empty"
    for data in (b"\0", b"hello", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"%PDF-1.7", b"\0" * 5000):
        assert code(data) == "image_unsupported"
    assert code(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n") == "image_unsupported"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "JPEG2000", "TIFF", "HEIF"])
def test_truncated(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 120, 3), np.uint8))
    data = heif(noise) if kind == "HEIF" else saved(noise, kind)
    for share in (0.02, 0.1, 0.5, 0.9):
        found = code(data[: int(len(data) * share)])
        assert found in ("image_truncated", "image_corrupt", "image_unsupported")
    if kind in ("JPEG", "PNG", "WEBP", "BMP", "AVIF", "HEIF"):
        assert found == "image_truncated"


def test_corrupt() -> None:
    assert code(png(IHDR, (b"IDAT", b"not zlib"), IEND)) == "image_corrupt"
    assert code(png((b"IHDR", struct.pack(">IIBBBBB", 2, 2, 99, 2, 0, 0, 0)), IDAT, IEND)) == "image_corrupt"
    assert code(b"\xff\xd8\xff\xe0" + b"\0" * 200 + b"\xff\xd9") == "image_corrupt"
    assert code(png((b"IHDR", struct.pack(">IIBBBBB", 0, 2, 8, 2, 0, 0, 0)), IDAT, IEND)) == "image_corrupt"


def test_png_whose_pixels_are_whole_but_its_end_is_not() -> None:
    assert decode_image(png(IHDR, IDAT), SPEC, LIMIT).pixels[0, 0].tolist() == list(RED)
    assert decode_image(png(IHDR, IDAT, IEND)[:-6], SPEC, LIMIT).pixels[0, 0].tolist() == list(RED)


@pytest.mark.parametrize(
    "chunk",
    [
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"\0" * 50_000_000)),
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"\0" * 50_000_000)),
        (b"iCCP", b"profile\0\0" + zlib.compress(b"\0" * 50_000_000)),
        (b"iCCP", b"profile\0\0" + b"not zlib"),
        (b"eXIf", b"Exif\0\0" + b"\xff" * 40),
        (b"tEXt", b"no separator"),
    ],
)
def test_bombs_and_rubbish_in_metadata_do_not_matter(chunk: tuple[bytes, bytes]) -> None:
    for data in (png(IHDR, chunk, IDAT, IEND), png(IHDR, IDAT, chunk, IEND)):
        assert decode_image(data, SPEC, LIMIT).pixels[0, 0].tolist() == list(RED)
        assert inspect_image(data, LIMIT).width == 2


def test_size_is_judged_before_decoding() -> None:
    bomb = png((b"IHDR", struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)), IDAT, IEND)
    thin = png((b"IHDR", struct.pack(">IIBBBBB", 1, 100_000, 8, 2, 0, 0, 0)), IDAT, IEND)
    for data in (bomb, thin):
        assert code(data) == "image_too_large"
        with pytest.raises(ItemError, match="image_too_large"):
            inspect_image(data, LIMIT)
    assert code(saved(quarters(), "JPEG"), limit=120 * 80 - 1) == "image_too_large"
    assert decode_image(saved(quarters(), "JPEG"), SPEC, 120 * 80).media["width"] == 120


def test_gif_whose_first_frame_reaches_far_beyond_its_screen() -> None:
    frame = b"," + struct.pack("<HHHH", 0, 0, 65_535, 65_535) + b"\0\x02\x02L\x01\0;"
    began = thread_time()  # of this thread alone, however busy the machine is
    assert code(b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0, 0, 0) + frame) == "image_too_large"
    assert thread_time() - began < 0.5


def test_a_limit_above_that_of_pillow_holds() -> None:
    wide = Image.new("1", (20_000, 10_000))
    assert decode_image(saved(wide, "PNG"), SPEC, 200_000_000).media == {"width": 20_000, "height": 10_000}


def test_jpeg_with_broken_exif() -> None:
    whole = saved(quarters(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 60)
    assert corners(whole) == [RED, GREEN, BLUE, WHITE]
    assert inspect_image(whole, LIMIT).width == 120


def test_warnings_neither_leak_nor_raise(tmp_path: Path) -> None:
    data = saved(quarters().convert("P"), "PNG", transparency=b"\0" * 256)
    broken = saved(quarters(), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\xff" * 60)
    tiff = bytearray(saved(quarters(), "TIFF", compression="tiff_lzw"))
    tiff[10:60] = b"\xff" * 50
    files = [data, broken, bytes(tiff)]
    for at, content in enumerate(files):
        (tmp_path / str(at)).write_bytes(content)
    script = (
        "import sys, pathlib; from core.images.decode import *; from core.errors import ItemError\n"
        "for path in sys.argv[1:]:\n"
        "    try: decode_image(pathlib.Path(path).read_bytes(), ImageSpec(size=(40, 40)), 10**7)\n"
        "    except ItemError: pass\n"
    )
    for setting in ("always", "error"):
        command = [
            sys.executable,
            "-W",
            setting,
            "-c",
            script,
            *(str(tmp_path / str(at)) for at in range(len(files))),
        ]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180)
        assert (done.returncode, done.stderr) == (0, "")
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for content in files[:2]:
            decode_image(content, SPEC, LIMIT)
    assert not seen


def test_threads() -> None:
    files = [saved(quarters(), kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF")] + [heif(quarters())]
    with ThreadPoolExecutor(8) as pool:
        assert all(found == [RED, GREEN, BLUE, WHITE] for found in pool.map(corners, files * 20))


def test_random_damage_ends_in_a_code() -> None:
    random = np.random.default_rng(7)
    kinds = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000")
    files = [saved(quarters(), kind) for kind in kinds] + [heif(quarters())]
    codes = {"image_unsupported", "image_truncated", "image_corrupt", "image_too_large"}
    for at in range(450):
        data = bytearray(files[at % len(files)])
        for _ in range(int(random.integers(1, 10))):
            data[int(random.integers(0, min(len(data), 400)))] = int(random.integers(0, 256))
        try:
            shape, error = decode_image(bytes(data), SPEC, LIMIT).pixels.shape, None
        except ItemError as caught:
            shape, error = (40, 40, 3), caught.code
        assert shape == (40, 40, 3)
        assert error is None or error in codes
