"""Thumbnails as pictures: small, upright, in sRGB, without metadata; and the maker, which never fails a photo."""

from __future__ import annotations

import io
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms
from prometheus_client import CollectorRegistry

from core.images.decode import ImageSpec, decode_image, decode_thumbnail
from core.images.thumbnail import encode_thumbnail
from core.storage.blobs import BlobMissing, FolderBlobs
from core.storage.thumbnail_store import read_thumbnail
from worker.chunk import thumbnail_maker
from worker.chunk.thumbnail_maker import ThumbnailMaker
from worker.metrics import Metrics

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
LIMIT = 10**8
SPEC = ImageSpec(size=(224, 224))
NAME = "ab" * 32


def _file(image: Image.Image, kind: str, **more: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **more)
    return out.getvalue()


def _halves(size: tuple[int, int] = (800, 400)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, (220, 20, 20))
    image.paste((20, 20, 220), (size[0] // 2, 0, *size))
    return image


def _thumbnail(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(encode_thumbnail(decode_thumbnail(data, LIMIT))))


def _of_decoded(data: bytes) -> Image.Image:
    frame = decode_image(data, SPEC, LIMIT, keep_frame=True).frame
    assert frame is not None
    return Image.open(io.BytesIO(encode_thumbnail(frame.thumbnail())))


@pytest.mark.parametrize("make", [_thumbnail, _of_decoded])
def test_a_thumbnail_is_small_upright_and_has_no_metadata(make: Any) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # its top is on the right: upright it stands on its red half
    exif[ExifTags.Base.Artist] = "somebody's name"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = _file(_halves((1600, 800)), "JPEG", exif=exif, icc_profile=profile, comment=b"a comment")
    assert b"somebody" in data
    shown = make(data)
    assert (shown.format, shown.size, shown.mode) == ("WEBP", (160, 320), "RGB")
    top, bottom = (shown.getpixel((80, y)) for y in (40, 280))
    assert top[0] > 150 > top[2]
    assert bottom[2] > 150 > bottom[0]
    assert not {"exif", "icc_profile", "xmp"} & shown.info.keys()
    assert dict(shown.getexif()) == {}


@pytest.mark.parametrize(
    ("image", "kind", "size"),
    [
        (Image.new("L", (1000, 10), 200), "PNG", (320, 3)),
        (Image.new("L", (3000, 1), 200), "PNG", (320, 1)),
        (Image.new("RGBA", (64, 32), (255, 0, 0, 0)), "PNG", (64, 32)),
        (Image.new("CMYK", (640, 640)), "JPEG", (320, 320)),
        (Image.fromarray(np.full((640, 320), 40_000, np.uint16)), "TIFF", (160, 320)),
    ],
)
def test_whatever_decodes_has_a_thumbnail_and_none_is_enlarged(
    image: Image.Image, kind: str, size: tuple[int, int]
) -> None:
    for make in (_thumbnail, _of_decoded):
        shown = make(_file(image, kind))
        assert (shown.size, shown.mode) == (size, "RGB")


def test_transparency_lies_over_white_and_colours_are_those_of_the_profile() -> None:
    clear = _thumbnail(_file(Image.new("RGBA", (64, 64), (255, 0, 0, 0)), "PNG"))
    assert min(clear.getpixel((30, 30))) > 250  # type: ignore[type-var]
    # Red and green change places in this profile.
    swapped = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes().replace(b"rXYZ", b"xXYZ")
    swapped = swapped.replace(b"gXYZ", b"rXYZ").replace(b"xXYZ", b"gXYZ")
    for make in (_thumbnail, _of_decoded):
        green = make(_file(Image.new("RGB", (64, 64), (250, 10, 10)), "PNG", icc_profile=swapped)).getpixel((30, 30))
        assert green[1] > 200 > green[0]


def test_the_models_get_the_same_pixels_with_a_thumbnail_and_without() -> None:
    """Fails if results depended on whether thumbnails are on."""
    for path in sorted(SAMPLES.glob("*.jpg"))[:4]:
        data = path.read_bytes()
        with_frame = decode_image(data, SPEC, LIMIT, keep_frame=True)
        assert np.array_equal(decode_image(data, SPEC, LIMIT).pixels, with_frame.pixels)
        assert decode_image(data, SPEC, LIMIT).frame is None


def test_a_damaged_thumbnail_is_none_at_all(tmp_path: Path) -> None:
    store = FolderBlobs(tmp_path, durable=False)
    data = encode_thumbnail(_halves())
    assert read_thumbnail(store, NAME) is None
    for damaged in (b"", data[:-1], data[:3], bytes(len(data))):
        store.put(NAME, damaged)
        assert read_thumbnail(store, NAME) is None
    store.put(NAME, data)  # what is damaged is written over
    assert read_thumbnail(store, NAME) == data
    assert list(store.names("ab")) == [NAME]
    assert list(store.names("cd")) == []
    store.delete(NAME)
    with pytest.raises(BlobMissing):
        store.get(NAME)


class _Broken(FolderBlobs):
    """A store that fails, or waits until it may go on."""

    def __init__(self, folder: Path, error: Exception | None = None) -> None:
        super().__init__(folder, durable=False)
        self.error = error
        self.go = threading.Event()

    def put(self, name: str, data: bytes) -> None:
        if self.error:
            raise self.error
        assert self.go.wait(180)
        super().put(name, data)


def _frame() -> Any:
    return decode_image(_file(_halves(), "PNG"), SPEC, LIMIT, keep_frame=True).frame


def _counted(metrics: Metrics, outcome: str) -> float:
    return metrics.thumbnails.labels(outcome)._value.get()  # type: ignore[no-any-return]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("a fault of ours")])
def test_a_store_that_fails_costs_a_photo_nothing_and_is_left_alone(tmp_path: Path, error: Exception) -> None:
    metrics = Metrics(CollectorRegistry())
    maker = ThumbnailMaker(_Broken(tmp_path, error), metrics)
    stored = maker.make(_frame(), NAME)
    assert stored is not None
    assert stored.result(timeout=180) is False
    assert _counted(metrics, "failed") == 1
    if isinstance(error, OSError):
        assert maker.make(_frame(), NAME) is None
        assert _counted(metrics, "skipped") == 1
    maker.close()


def test_a_slow_store_holds_only_so_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thumbnail_maker, "WAITING", 3)
    store, metrics = _Broken(tmp_path), Metrics(CollectorRegistry())
    maker = ThumbnailMaker(store, metrics)
    given = [maker.make(_frame(), f"{number:02x}" * 32) for number in range(5)]
    assert [one is None for one in given] == [False, False, False, True, True]
    store.go.set()
    assert [one.result(timeout=180) for one in given if one is not None] == [True] * 3
    assert (_counted(metrics, "written"), _counted(metrics, "skipped")) == (3, 2)
    maker.close()
    assert maker.make(_frame(), NAME) is None  # the worker is shutting down


def test_what_cannot_be_made_into_a_picture_is_no_failure_of_the_photo(tmp_path: Path) -> None:
    metrics = Metrics(CollectorRegistry())
    maker = ThumbnailMaker(FolderBlobs(tmp_path), metrics)
    broken: Any = object()
    assert maker.make(broken, NAME) is None
    assert _counted(metrics, "failed") == 1
    maker.close()
