"""A photo is read if its pixels are all there, whatever became of what follows them, and refused if any is missing."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from core.errors import ItemError
from core.images.decode import ImageSpec, decode_image, inspect_image
from core.images.whole import mend_jpeg
from tests.support.pictures import BLUE, GREEN, LIMIT, RED, SPEC, WHITE, code, corners, heif, quarters, saved

END = b"\xff\xd9"
FULL = ImageSpec(size=(160, 120))  # of the pictures made here, so that no difference is scaled away


def textured(width: int = 160, height: int = 120, seed: int = 0) -> Image.Image:
    """Something with detail everywhere, so that each block of a JPEG takes bytes."""
    rough = np.random.default_rng(seed).integers(0, 256, (height // 4, width // 4, 3), np.uint8)
    return Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)


THUMBNAIL = saved(textured(32, 24, 1), "JPEG")
JPEGS = {
    "baseline": saved(textured(), "JPEG"),
    "optimised": saved(textured(), "JPEG", optimize=True),
    "one sampling": saved(textured(), "JPEG", subsampling=0),
    "grey": saved(textured().convert("L"), "JPEG"),
    "cmyk": saved(textured().convert("CMYK"), "JPEG"),
    "restarts by rows": saved(textured(), "JPEG", restart_marker_rows=1),
    "restarts by blocks": saved(textured(), "JPEG", restart_marker_blocks=3),
    "progressive": saved(textured(), "JPEG", progressive=True),
    "progressive with restarts": saved(textured(), "JPEG", progressive=True, restart_marker_rows=1),
    "odd size": saved(textured(148, 100), "JPEG"),
}
SAMSUNG = (
    b"\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1700000000000\0\0\xa1\x0a\x08\0\0\0MCC_Data262"
    b"SEFH\x6b\0\0\0\x02\0\0\0\0\0\x01\x0a\x47\0\0\0\x23\0\0\0\0\0\xa1\x0a\x24\0\0\0\x13\0\0\0$\0\0\0SEFT"
)
TRAILERS = {
    "nothing": b"",
    "half an end marker": b"\xff",
    "a maker's block": SAMSUNG,
    "text": b"Written by a camera of some make, firmware 1.0, all rights reserved.\r\n" * 40,
    "zeros": bytes(4096),
    "a thumbnail": THUMBNAIL,
    "half a thumbnail": THUMBNAIL[: len(THUMBNAIL) // 2],
    "a line end": b"\r\n",
}


def pixels(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return decode_image(data, FULL, LIMIT).pixels


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_without_its_end_marker_is_read(kind: str, trailer: str) -> None:
    whole = JPEGS[kind]
    assert (pixels(whole[:-2] + TRAILERS[trailer]) == pixels(whole)).all()


@pytest.mark.parametrize("ended", [True, False])
def test_a_jpeg_cut_inside_its_makers_block_is_read(ended: bool) -> None:
    whole = JPEGS["baseline"]
    head = whole if ended else whole[:-2]
    for length in range(0, len(SAMSUNG), 3):
        assert (pixels(head + SAMSUNG[:length]) == pixels(whole)).all()


@pytest.mark.parametrize("trailer", TRAILERS)
@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_rows_is_truncated(kind: str, trailer: str) -> None:
    # A twelfth of the data: no more than two rows of blocks, or a part of the last scan.
    whole = JPEGS[kind]
    coded = len(whole) - whole.rindex(b"\xff\xda")
    assert code(whole[: -2 - coded // 12] + TRAILERS[trailer]) == "image_truncated"


@pytest.mark.parametrize("kind", JPEGS)
def test_a_jpeg_that_lacks_a_few_bytes_is_truncated(kind: str) -> None:
    whole = JPEGS[kind][:-2]
    accepted = [cut for cut in range(2, 40) if mend_jpeg(whole[:-cut]) is not None]
    assert accepted == []


def test_a_progressive_jpeg_that_lacks_scans_is_truncated() -> None:
    whole = JPEGS["progressive"]
    starts = [at for at in range(len(whole)) if whole.startswith(b"\xff\xda", at)]
    assert len(starts) > 5
    for start in starts:
        # Each scan ends where the tables of the next begin; all but the last leave bits or channels out.
        assert code(whole[:start]) == "image_truncated"
        assert code(whole[: start + 60]) == "image_truncated"


@pytest.mark.parametrize("kind", [kind for kind in JPEGS if "progressive" not in kind])
def test_an_end_marker_does_not_make_up_for_missing_rows(kind: str) -> None:
    whole = JPEGS[kind]
    for share in (0.3, 0.6, 0.9):
        assert code(whole[: int(len(whole) * share)] + END) == "image_truncated"
        assert code(whole[: int(len(whole) * share)] + THUMBNAIL) == "image_truncated"


@pytest.mark.parametrize("options", [{}, {"optimize": True}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_pictures_that_end_in_grey_or_in_one_colour_are_whole(options: dict[str, bool]) -> None:
    for colour in ((128, 128, 128), (127, 127, 127), (255, 255, 255), (0, 0, 0)):
        picture = textured()
        picture.paste(colour, (0, 60, 160, 120))
        data = saved(picture, "JPEG", **options)
        assert (pixels(data[:-2]) == pixels(data)).all()
        assert abs(int(pixels(data)[-1, -1, 0]) - colour[0]) < 3


def test_the_first_picture_of_several_counts() -> None:
    data = saved(textured(), "MPO", save_all=True, append_images=[textured(seed=2)])
    second = data.index(END + b"\xff\xd8") + 2
    for end in (second + 1000, second + 1, second, second - 1, second - 2):
        assert (pixels(data[:end]) == pixels(data)).all()
    assert (pixels(data[: second - 2] + data[second:]) == pixels(data)).all()
    assert code(data[: second - 400] + data[second:]) == "image_truncated"


def test_a_jpeg_is_fed_to_its_decoder_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # An arithmetic decoder cannot wait for more, and Pillow feeds 64 KB at a time. No encoder of such files is at
    # hand, so the promise is held at its seam.
    read, pieces = JpegImagePlugin.JpegImageFile.load_read, []

    def counted(image: JpegImagePlugin.JpegImageFile, length: int) -> bytes:
        pieces.append(read(image, length))
        return pieces[-1]

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "load_read", counted)
    data = saved(textured(800, 600), "JPEG", quality=100)
    assert len(data) > 2 * 65_536
    decode_image(data, SPEC, LIMIT)
    assert pieces == [data]


def test_a_png_without_its_end_keeps_its_colours() -> None:
    data = saved(textured(), "PNG")
    end = data.rindex(b"IDAT") - 4
    linear = struct.pack(">I", 4) + b"gAMA" + struct.pack(">I", 100_000)
    linear += struct.pack(">I", zlib.crc32(linear[4:]))
    bad_text = struct.pack(">I", 3) + b"zTXt" + b"a\0\7" + bytes(4)
    whole = data[:33] + linear + data[33:]
    broken = data[:33] + linear + bad_text + data[33:]
    for cut in (0, 5, 12, 16, 19):  # the end chunk, the sum over the pixels' chunk, and that inside it
        assert (pixels(broken[: len(broken) - cut]) == pixels(whole)).all()
    assert code(broken[:-40]) == "image_truncated"
    assert end > 0


def test_a_gif_cut_behind_its_last_pixel_is_read() -> None:
    data = saved(quarters(), "GIF")
    for cut in (1, 2, 3):
        assert corners(data[:-cut]) == [RED, GREEN, BLUE, WHITE]
    data = saved(textured(), "GIF")
    assert code(data[:-12]) == "image_truncated"
    several = saved(textured(), "GIF", save_all=True, append_images=[textured(seed=2)])
    assert (pixels(several[: len(several) * 2 // 3]) == pixels(several)).all()


@pytest.mark.parametrize("lossless", [True, False])
def test_a_webp_cut_behind_its_pixels_is_read(lossless: bool) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    exif[0x010E] = "a long description " * 50
    options = {"lossless": lossless, "exif": exif, "xmp": b"<x:xmpmeta>" + b" " * 900 + b"</x:xmpmeta>"}
    data = saved(textured(), "WEBP", **options)
    metadata = data.index(b"EXIF")
    for end in (len(data) - 1, len(data) - 500, data.index(b"XMP ")):  # in the XMP: the orientation holds
        assert (pixels(data[:end]) == pixels(data)).all()
    for end in (metadata + 300, metadata + 4, metadata):
        assert (pixels(data[:end]) == pixels(data)[::-1, ::-1]).all()
        assert inspect_image(data[:end], LIMIT).width == 160
    assert code(data[: metadata - 200]) == "image_truncated"
    several = saved(textured(), "WEBP", save_all=True, append_images=[textured(seed=2)], lossless=lossless)
    assert (pixels(several[: len(several) * 2 // 3]) == pixels(several)).all()


@pytest.mark.parametrize("bare", [True, False])
def test_a_jpeg_2000_without_its_end_marker_is_read(bare: bool) -> None:
    data = saved(textured(), "JPEG2000", no_jp2=bare)
    for cut in (1, 2):
        assert (pixels(data[:-cut]) == pixels(data)).all()
    for cut in (3, 20, len(data) // 2):
        assert code(data[:-cut]) == "image_truncated"
        assert code(data[:-cut] + END) in ("image_truncated", "image_corrupt")


def test_boxes_behind_the_pixels_of_a_heif_may_be_cut() -> None:
    motion = struct.pack(">I", 5000) + b"mpvd" + bytes(4992)
    for data in (heif(quarters()), saved(quarters(), "AVIF")):
        for length in (3, 8, 700, 5000):
            assert corners(data + motion[:length]) == [RED, GREEN, BLUE, WHITE]


@pytest.mark.parametrize("major", [b"MiHB", b"mif2", b"1pic", b"abcd"])
def test_a_heif_is_known_by_any_of_its_brands(major: bytes) -> None:
    for data, name in ((heif(quarters()), "HEIF"), (saved(quarters(), "AVIF"), "AVIF")):
        other = data[:8] + major + data[12:]
        assert corners(other) == [RED, GREEN, BLUE, WHITE]
        assert inspect_image(other, LIMIT).format == name


def test_a_tiff_that_lacks_its_tags_is_truncated() -> None:
    data = saved(textured(), "TIFF", compression="tiff_lzw")  # whose tags come last
    for cut in (1, 10, 100, len(data) // 2):
        assert code(data[:-cut]) == "image_truncated"


def test_a_list_of_further_pictures_that_makes_no_sense_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    data = saved(textured(), "MPO", save_all=True, append_images=[textured(seed=2)])

    def broken(*_: object) -> None:
        raise KeyError(45057)  # as Pillow does for a list without a count

    monkeypatch.setattr(JpegImagePlugin.JpegImageFile, "_getmp", lambda image: broken() if "mp" in image.info else None)
    assert (pixels(data) == pixels(saved(textured(), "JPEG"))).all()
    assert inspect_image(data, LIMIT).width == 160


def test_a_damaged_end_costs_no_more_than_a_few_decodings(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda *args, **options: opened.append(1) or real(*args, **options))
    decode_image(JPEGS["baseline"], SPEC, LIMIT)
    assert len(opened) == 1
    decode_image(JPEGS["baseline"][:-2], SPEC, LIMIT)
    assert len(opened) <= 1 + 1 + 3 + 1
    with pytest.raises(ItemError):
        decode_image(JPEGS["baseline"][:-500], SPEC, LIMIT)
    assert len(opened) <= 12
