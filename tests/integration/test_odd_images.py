"""Every file of a collection of odd images ends as pixels or as a coded error, as its manifest suggests.

The collection is read from the folder that TAGLINE_TEST_ODD_IMAGES names, or from ../shared/data/odd_images; where
there is none, tests/unit/test_imaging.py covers the same ground with images of its own making.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from core.errors import ItemError
from core.images.decode import ImageSpec, decode_image, inspect_image

FOLDER = Path(
    os.environ.get("TAGLINE_TEST_ODD_IMAGES")
    or Path(__file__).resolve().parent.parent.parent.parent / "shared" / "data" / "odd_images"
)
SPEC = ImageSpec(size=(64, 48))
LIMIT = 100_000_000
CODES = {"image_unsupported", "image_truncated", "image_corrupt", "image_too_large"}
# Pillow gives back half an image at the second attempt: its compressed stream breaks off in the middle.
REFUSED = {"corrupt/broken_data_stream.png"}
# Only half of its end marker is missing: strict libjpeg has no complaint once that is put back.
WHOLE = {"corrupt/truncated_jpeg.jpg"}
EXPECTED = {
    "bomb/decompression_bomb.gif": "image_too_large",
    "bmp_b/badwidth.bmp": "image_too_large",
    "libvips/17000x17000.avif": "image_too_large",
    "libvips/blankpage.svg": "image_unsupported",
    "libvips/truncated.jpg": "image_truncated",
    "bmp_q/rgba32abf.bmp": "image_unsupported",
    "heif/corrupted.hif": "image_truncated",
}


@cache
def manifest() -> list[dict[str, Any]]:
    path = FOLDER / "manifest.json"
    found: list[dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else []
    return found


def should_decode(entry: dict[str, Any]) -> bool:
    """The manifest speaks of Pillow alone; with its plugin every HEIF that is whole decodes too."""
    name = entry["file"]
    if name.startswith("heif/"):
        return name not in EXPECTED
    return name in WHOLE or (entry["decode"] == "ok" and name not in REFUSED)


@pytest.mark.skipif(not manifest(), reason="no collection of odd images here")
@pytest.mark.parametrize("entry", manifest(), ids=lambda entry: str(entry["file"]))
def test_odd_image(entry: dict[str, Any], capfd: pytest.CaptureFixture[str]) -> None:
    data = (FOLDER / entry["file"]).read_bytes()
    if should_decode(entry):
        decoded = decode_image(data, SPEC, LIMIT)
        assert decoded.pixels.shape == (48, 64, 3)
        info = inspect_image(data, LIMIT)
        assert {"width": info.width, "height": info.height} == decoded.media
        if entry.get("size") and entry.get("orientation") in (None, 0, 1, 2, 3, 4):
            assert [info.width, info.height] == entry["size"]
    else:
        with pytest.raises(ItemError) as caught:
            decode_image(data, SPEC, LIMIT)
        assert caught.value.code in CODES
        assert caught.value.code == EXPECTED.get(entry["file"], caught.value.code)
    assert capfd.readouterr().err == ""
