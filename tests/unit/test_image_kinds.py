"""What lies beside photos is refused by its name: as a video, a camera raw file, a web page, not as a damaged image."""

from __future__ import annotations

import errno
import struct

import numpy as np
import pytest
from PIL import Image

from core.errors import ItemError
from core.images.decode import decode_image, inspect_image
from tests.support.pictures import BLUE, LIMIT, RED, SPEC, png, quarters, saved
from tests.support.tiffs import Page, tiff


def box(name: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">I", 8 + len(body)) + name + body


def movie(major: bytes, *others: bytes) -> bytes:
    return box(b"ftyp", major + bytes(4) + b"".join(others)) + box(b"mdat", bytes(300))


def riff(kind: bytes) -> bytes:
    return b"RIFF" + struct.pack("<I", 300) + kind + b"LIST" + bytes(292)


def packets(stamp: bytes, mark: bytes = b"\x47") -> bytes:
    return (stamp + mark + bytes(187)) * 4


XML = b'<?xml version="1.0" encoding="UTF-8"?>\n'
# A file's beginning, and what its message must name.
KINDS: dict[str, tuple[bytes, str]] = {
    "mp4": (movie(b"isom", b"iso2", b"avc1", b"mp41"), "a video (MP4)"),
    "mp4 of a camera": (movie(b"XAVC", b"mp42"), "a video (MP4)"),
    "m4v": (movie(b"M4V "), "a video (MP4)"),
    "mov, live photo": (movie(b"qt  "), "a video (QuickTime, as in live photos)"),
    "mov without brands": (box(b"moov", bytes(50)), "a video (QuickTime or MP4)"),
    "mov, wide": (box(b"wide") + box(b"mdat", bytes(50)), "a video (QuickTime or MP4)"),
    "mov, free": (box(b"free", bytes(9)) + box(b"mdat", bytes(50)), "a video (QuickTime or MP4)"),
    "3gp": (movie(b"3gp4", b"isom"), "a video (3GP)"),
    "3g2": (movie(b"3g2a"), "a video (3GP)"),
    "avi": (riff(b"AVI "), "a video (AVI)"),
    "mkv": (b"\x1aE\xdf\xa3\x93B\x82\x88matroska", "a video (Matroska or WebM)"),
    "webm": (b"\x1aE\xdf\xa3\x93B\x82\x84webm", "a video (Matroska or WebM)"),
    "mts": (packets(bytes(4)), "a video (MPEG transport stream, MTS)"),
    "ts": (packets(b""), "a video (MPEG transport stream, MTS)"),
    "mpg": (b"\0\0\x01\xba" + bytes(30), "a video (MPEG)"),
    "wmv": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "Windows Media"),
    "flv": (b"FLV\x01\x05\0\0\0\x09", "a video (FLV)"),
    "motion jpeg 2000": (b"\0\0\0\x0cjP  \r\n\x87\n" + box(b"ftyp", b"mjp2" + bytes(4)), "Motion JPEG 2000"),
    "cr2": (b"II*\0\x10\0\0\0CR\x02\0" + bytes(300), "camera raw file (Canon CR2)"),
    "cr3": (movie(b"crx ", b"isom"), "camera raw file (Canon CR3)"),
    "crw": (b"II\x1a\0\0\0HEAPCCDR", "camera raw file (Canon CRW)"),
    "raf": (b"FUJIFILMCCD-RAW 0201FF383501", "camera raw file (Fujifilm RAF)"),
    "rw2": (b"IIU\0\x18\0\0\0", "camera raw file (Panasonic"),
    "orf": (b"IIRO\x08\0\0\0", "camera raw file (Olympus ORF)"),
    "orf, old": (b"IIRS\x08\0\0\0", "camera raw file (Olympus ORF)"),
    "x3f": (b"FOVb\0\0\x02\0", "camera raw file (Sigma X3F)"),
    "mrw": (b"\0MRM\0\0\0\0", "camera raw file (Minolta MRW)"),
    "iiq": (b"II*\0\x08\0\0\0IIII" + bytes(300), "camera raw file (Phase One IIQ)"),
    "psd": (b"8BPS\0\x01" + bytes(20), "Photoshop document (PSD)"),
    "xcf": (b"gimp xcf v011\0", "GIMP document (XCF)"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF document"),
    "eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
    "jpeg xl": (b"\xff\x0a\xfa\x1f\x01", "JPEG XL image"),
    "jpeg xl in boxes": (b"\0\0\0\x0cJXL \r\n\x87\n" + box(b"ftyp", b"jxl "), "JPEG XL image"),
    "jpeg xr": (b"II\xbc\x01\x20\0\0\0", "JPEG XR image"),
    "jpeg-ls": (b"\xff\xd8\xff\xf7\0\x0b\x08\0\x20\0\x20\x01\x01\x11\0\xff\xda", "JPEG-LS image"),
    "exr": (b"\x76\x2f\x31\x01\x02\0\0\0", "OpenEXR image"),
    "hdr": (b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n", "Radiance HDR image"),
    "ico": (b"\0\0\x01\0\x01\0\x10\x10", "icon"),
    "cur": (b"\0\0\x02\0\x01\0\x20\x20", "cursor"),
    "icns": (b"icns\0\0\x40\0", "icon (ICNS)"),
    "ppm": (b"P6\n# of a scanner\n10 10\n255\n" + bytes(300), "Netpbm image"),
    "pgm": (b"P5 10 10 255 " + bytes(100), "Netpbm image"),
    "pbm, as text": (b"P1\n2 2\n0 1 1 0\n", "Netpbm image"),
    "pam": (b"P7\nWIDTH 10\nHEIGHT 10\n", "Netpbm image"),
    "pfm": (b"PF\n10 10\n-1.0\n", "Netpbm image"),
    "tga": (b"\0\0\x02" + bytes(9) + b"\x0a\0\x0a\0\x18\0" + bytes(300), "TGA image"),
    "tga, packed": (b"\0\0\x0a" + bytes(9) + b"\x0a\0\x0a\0\x20\x08" + bytes(300), "TGA image"),
    "tga, named": (bytes(70) + b"\x01" + bytes(8) + b"TRUEVISION-XFILE.\0", "TGA image"),
    "pcx": (b"\x0a\x05\x01\x08" + bytes(60), "PCX image"),
    "qoi": (b"qoif\0\0\0\x0a\0\0\0\x0a\x03\0", "QOI image"),
    "dicom": (bytes(128) + b"DICM", "DICOM image"),
    "wmf": (b"\xd7\xcd\xc6\x9a", "drawing (WMF)"),
    "png for ios": (png((b"CgBI", b"\x50\0\x20\x06"), (b"IDAT", b"x")), "CgBI"),
    "zip": (b"PK\x03\x04\x14\0", "ZIP archive"),
    "gzip": (b"\x1f\x8b\x08\0", "gzip"),
    "rar": (b"Rar!\x1a\x07\x01\0", "RAR archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\x04", "7z archive"),
    "tar": (b"photo.jpg".ljust(257, b"\0") + b"ustar\00000", "TAR archive"),
    "apple double": (b"\0\x05\x16\x07\0\x02\0\0Mac OS X", "AppleDouble"),
    "ds_store": (b"\0\0\0\x01Bud1", ".DS_Store"),
    "thumbs.db": (bytes.fromhex("d0cf11e0a1b11ae1"), "thumbnails"),
    "mp3": (b"ID3\x03\0", "sound recording (MP3)"),
    "m4a": (movie(b"M4A ", b"isom"), "sound recording (M4A)"),
    "wav": (riff(b"WAVE"), "sound recording (WAV)"),
    "zeros": (bytes(5000), "zero bytes"),
    "html": (b"<!DOCTYPE html>\n<html><head><title>Sign in</title>", "a web page (HTML), not a photo"),
    "html, in capitals": (b"\r\n  <HTML><BODY>404 Not Found", "a web page"),
    "html, no doctype": (b"<html>\r\n<head><title>403 Forbidden</title></head>", "a web page"),
    "html, marked": (b"\xef\xbb\xbf<!doctype html><p>", "a web page"),
    "html, utf-16": ("<!doctype html><p>für".encode("utf-16"), "a web page"),
    "html, latin-1": ("<html><body>Zugriff für Gäste verweigert".encode("latin-1"), "a web page"),
    "html, behind a comment": (b"<!-- cached\n-->\n<html lang='en'>", "a web page"),
    "html, behind a complaint": (b"Warning: cannot connect on line 3\n<html><body>", "a web page"),
    "html, a script": (b"<script>location.href='/login'</script>", "a web page"),
    "html, a heading": (b"<h1>Access denied</h1>", "a web page"),
    "xhtml": (XML + b'<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x">\n<html>', "a web page"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "drawing (SVG)"),
    "svg, with a doctype": (XML + b'<!-- made by hand -->\n<!DOCTYPE svg PUBLIC "a" "b">\n<svg>', "drawing (SVG)"),
    "svg, with entities": (b'<!DOCTYPE svg [ <!ENTITY a "b"> ]>\n<svg:svg>', "drawing (SVG)"),
    "xmp": (b"<?xpacket begin='' id='W5'?>\n<x:xmpmeta xmlns:x='adobe:ns:meta/'>", "companion file (XMP)"),
    "aae": (XML + b'<!DOCTYPE plist PUBLIC "a" "b">\n<plist version="1.0">', "notes of edits (AAE)"),
    "error of a store": (XML + b"<Error><Code>AccessDenied</Code>", "error message of a server (XML)"),
    "xml": (XML + b"<gpx>", "XML"),
    "json": (b'{"error": "not found"}', "JSON"),
    "json, a list": (b'[\n  {"id": 1}\n]', "JSON"),
    "base64": (b"/9j/4AAQSkZJRgABAQAAAQABAAD", "base64"),
    "data uri": (b"data:image/jpeg;base64,/9j/4AAQ", "base64"),
    "lfs": (b"version https://git-lfs.github.com/spec/v1\noid sha256:00", "Git LFS"),
    "an address": (b"https://example.org/photo.jpg\n", "submit the address itself"),
    "text": (b"hello", "text, not a photo"),
    "text that begins like a bmp": (b"BMW and other cars, a list of them", "text, not a photo"),
    "text that looks like a webp": (b"Here is WEBP, a format", "text, not a photo"),
    "text in another script": ("これはテキストです".encode(), "text, not a photo"),
    "ini": (b"[Picasa]\nname=Holidays\n", "text, not a photo"),
}


def message(data: bytes) -> str:
    """What both ways of looking at a file say of one that is unsupported, be it uploaded or fetched."""
    said = []
    for look in (lambda: decode_image(data, SPEC, LIMIT), lambda: inspect_image(data, LIMIT)):
        with pytest.raises(ItemError) as caught:
            look()
        assert (caught.value.code, caught.value.permanent) == ("image_unsupported", True)
        said.append(caught.value.message)
    assert said[0] == said[1]
    assert said[0].endswith(".")
    assert ";" in said[0]  # what it is; what to do
    return said[0]


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_photo_is_named(kind: str) -> None:
    data, name = KINDS[kind]
    assert name in message(data)


def test_what_nobody_knows_gets_the_list_of_formats() -> None:
    assert "send JPEG, PNG, WebP" in message(np.random.default_rng(3).bytes(3000))


def with_frame(process: int, bits: int = 8) -> bytes:
    """A JPEG whose frame header says something else."""
    data = bytearray(saved(quarters(), "JPEG"))
    at = data.index(b"\xff\xc0")
    data[at + 1], data[at + 4] = process, bits
    return bytes(data)


@pytest.mark.parametrize(
    ("process", "bits", "name"),
    [
        (0xC1, 12, "a JPEG of 12 bits a sample"),
        (0xC2, 12, "a JPEG of 12 bits a sample"),
        (0xC3, 8, "a lossless JPEG"),
        (0xC3, 14, "a lossless JPEG of 14 bits a sample"),
        (0xC3, 16, "a lossless JPEG of 16 bits a sample"),
        (0xCB, 8, "a lossless JPEG"),
        (0xC5, 8, "a hierarchical JPEG"),
        (0xCE, 8, "a hierarchical JPEG"),
    ],
)
def test_jpegs_that_no_decoder_reads_are_named(process: int, bits: int, name: str) -> None:
    data = with_frame(process, bits)
    for start in (data, data[:-2], data[: len(data) // 2 + 200]):  # another copy would be of no use
        with pytest.raises(ItemError, match="image_unsupported") as caught:
            decode_image(start, SPEC, LIMIT)
        assert name in caught.value.message


def test_a_lossless_jpeg_is_refused_at_any_size() -> None:
    # libjpeg reads one of 8 bits where nothing has to be scaled: the photo's size must not decide.
    lossless = bytes.fromhex(
        "ffd8ffc3000b080010001001011100ffc4001400010000000000000000000000000000000000ffda00080101000100"
        "00"
    ) + bytes(32) + b"\xff\xd9"  # fmt: skip
    assert "a lossless JPEG" in message(lossless)


PLAIN: Page = {256: 8, 257: 8, 258: 8, 259: 1, 262: 1, 277: 1, 278: 8}
COLOUR: Page = {256: 8, 257: 8, 258: (8, 8, 8), 259: 1, 262: 2, 277: 3, 278: 8}
THUMBNAIL: Page = {**COLOUR, 254: 1}
MOSAIC: Page = {**PLAIN, 254: 0, 258: 16, 262: 32_803}
RED_SQUARE, SENSOR = bytes((255, 0, 0)) * 64, bytes(128)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (tiff({**THUMBNAIL, 50_706: 0x0401}, pixels=[RED_SQUARE, SENSOR], below=[MOSAIC]), "(DNG)"),
        (tiff({**COLOUR, 254: 0, 262: 34_892, 50_706: 0x0601}, pixels=[RED_SQUARE]), "(DNG)"),
        (tiff({**THUMBNAIL, 271: b"NIKON CORPORATION\0"}, pixels=[RED_SQUARE, SENSOR], below=[MOSAIC]), "(Nikon NEF)"),
        (
            tiff(
                {**THUMBNAIL, 271: b"NIKON\0"},
                pixels=[RED_SQUARE, SENSOR],
                below=[{**PLAIN, 254: 0, 258: 12, 259: 34_713}],
            ),
            "(Nikon NEF)",
        ),
        (tiff({**THUMBNAIL, 271: b"SONY\0"}, COLOUR, pixels=[RED_SQUARE, RED_SQUARE, SENSOR], below=[MOSAIC]), "(Sony"),
        (tiff({**MOSAIC, 271: b"PENTAX Corporation\0"}, pixels=[SENSOR]), "(Pentax PEF)"),
        (tiff({**PLAIN, 258: 12, 259: 65_535, 271: b"PENTAX\0"}, pixels=[SENSOR]), "(Pentax PEF)"),
        (tiff({**THUMBNAIL, 271: b"SAMSUNG\0"}, MOSAIC, pixels=[RED_SQUARE, SENSOR]), "(Samsung SRW)"),
        (tiff({**THUMBNAIL, 271: b"Hasselblad\0"}, pixels=[RED_SQUARE, SENSOR], below=[MOSAIC]), "(Hasselblad 3FR)"),
        (tiff({**THUMBNAIL, 271: b"SEIKO EPSON\0"}, pixels=[RED_SQUARE, SENSOR], below=[MOSAIC]), "(Epson ERF)"),
        (tiff({**COLOUR, 34_310: b"leaf data"}, pixels=[RED_SQUARE]), "camera raw"),
        (tiff(THUMBNAIL, pixels=[RED_SQUARE, SENSOR], below=[{**COLOUR, 254: 0, 259: 7}]), "camera raw"),
    ],
)
def test_the_thumbnail_of_a_raw_file_is_not_taken_for_its_photo(data: bytes, name: str) -> None:
    assert "camera raw file" in message(data)
    assert name in message(data)


def test_tiffs_from_a_cameras_software_are_read() -> None:
    of_camera = {**COLOUR, 271: b"NIKON CORPORATION\0", 272: b"NIKON D850\0"}
    for page in (of_camera, {**of_camera, 254: 0}, {**of_camera, 254: 2}):
        small = {**COLOUR, 254: 1}
        for data in (
            tiff(page, pixels=[RED_SQUARE]),
            tiff(page, small, pixels=[RED_SQUARE, bytes(192)]),
            tiff(page, pixels=[RED_SQUARE, bytes(192)], below=[small]),  # a pyramid
        ):
            assert decode_image(data, SPEC, LIMIT).pixels[20, 20].tolist() == list(RED)


def test_of_several_pages_the_first_that_is_no_small_copy_counts() -> None:
    large = {**COLOUR, 256: 16, 257: 16, 278: 16}
    data = tiff(THUMBNAIL, large, pixels=[bytes(192), bytes((0, 0, 255)) * 256])
    assert decode_image(data, SPEC, LIMIT).pixels[20, 20].tolist() == list(BLUE)
    assert decode_image(data, SPEC, LIMIT).media == {"width": 16, "height": 16}
    assert inspect_image(data, LIMIT).width == 16
    assert decode_image(tiff(THUMBNAIL, pixels=[RED_SQUARE]), SPEC, LIMIT).pixels[0, 0].tolist() == list(RED)
    with pytest.raises(ItemError, match="image_too_large"):
        decode_image(data, SPEC, 100)


@pytest.mark.parametrize(
    ("tags", "name"),
    [
        ({258: (32, 32, 32), 339: (3, 3, 3)}, "of 32-bit floating-point numbers in colour"),
        ({258: (16, 16, 16), 339: (3, 3, 3)}, "of 16-bit floating-point numbers in colour"),
        ({258: 64, 262: 1, 277: 1, 339: 3}, "of 64-bit floating-point numbers"),
        ({258: 16, 262: 1, 277: 1, 339: 3}, "of 16-bit floating-point numbers"),
        ({258: 64, 262: 1, 277: 1, 339: 6}, "of complex numbers"),
        ({258: (32, 32, 32)}, "of 32 bits a sample"),
        ({258: 64, 262: 1, 277: 1}, "of 64 bits a sample"),
        ({258: (8,) * 9, 277: 9}, "of 9 channels"),
        ({259: 34_712}, "compressed by method 34712"),
        ({259: 50_002}, "compressed by method 50002"),
        ({258: 12, 259: 7, 262: 1, 277: 1}, "of 12 bits a sample"),
        ({258: (16, 16, 16), 284: 2}, "of 16 bits a sample in separate planes"),  # Pillow reads these as 8 bits
    ],
)
def test_tiffs_that_cannot_be_read_are_named(tags: dict[int, int | tuple[int, ...]], name: str) -> None:
    data = tiff({**COLOUR, **tags}, pixels=[bytes(8 * 8 * 40)])
    with pytest.raises(ItemError, match="image_unsupported") as caught:
        decode_image(data, SPEC, LIMIT)
    assert f"This is a TIFF {name}, which is not read here" in caught.value.message


def test_tags_that_lead_nowhere_or_in_circles_end() -> None:
    data = bytearray(tiff(COLOUR, COLOUR, pixels=[RED_SQUARE, RED_SQUARE]))
    first = 8 + 2 + 12 * (len(COLOUR) + 2)
    for following in (8, 2**31, len(data) - 3):
        data[first : first + 4] = struct.pack("<I", following)
        assert decode_image(bytes(data), SPEC, LIMIT).pixels[0, 0].tolist() == list(RED)


@pytest.mark.parametrize("shortage", [OSError(errno.EMFILE, "Too many open files", "/srv/private"), MemoryError()])
def test_our_own_shortages_are_not_the_files_fault(shortage: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise shortage

    data = saved(quarters(), "PNG")
    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ItemError, match="worker_resources") as caught:
        decode_image(data, SPEC, LIMIT)
    assert not caught.value.permanent
    assert "/srv" not in caught.value.message
    with pytest.raises(type(shortage)):  # which the API answers with 500: it is no fault of the upload
        inspect_image(data, LIMIT)


@pytest.mark.parametrize(
    "reason",
    [
        "cannot identify image file <_io.BytesIO object at 0x7f54c45e8f90>",
        "[Errno 2] No such file or directory: '/srv/tagline/models'",
        "C:\\Users\\tagline\\file",
        "decoder of /usr/lib/libheif.so failed",
        "truncated at 0x7f54c45e8f90 in /srv",
        "Unsupported plugin in /usr/lib/libheif",
    ],
)
def test_messages_name_no_place_on_disk_or_in_memory(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(reason)

    data = saved(quarters(), "PNG")
    monkeypatch.setattr(Image, "open", fail)
    with pytest.raises(ItemError) as caught:
        decode_image(data, SPEC, LIMIT)
    assert not any(part in caught.value.message for part in ("0x", "/", "\\", "<", "Errno"))
