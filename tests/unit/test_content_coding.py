"""Bodies and what they are said to be: read as browsers do, whatever the blocks, and never beyond the limit."""

from __future__ import annotations

import gzip
import random
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.outbound.http.content_coding import BodyDecoder, TooLarge, Undecodable

JPEG = b"\xff\xd8\xff\xe0" + random.Random(1).randbytes(3000) + bytes(3000)
LIMIT = 100_000


def bare(data: bytes) -> bytes:
    """Deflate without its wrapping."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def decode(field: str, *blocks: bytes, max_bytes: int = LIMIT) -> bytes:
    decoder = BodyDecoder(field, max_bytes)
    for block in blocks:
        decoder.feed(block)
    return decoder.finish()


GZIP = gzip.compress(JPEG)
MEMBERS = gzip.compress(JPEG[:1000]) + gzip.compress(b"") + gzip.compress(JPEG[1000:])
BODIES = {
    "plain": ("gzip", JPEG),
    "gzip": ("gzip", GZIP),
    "old name": ("x-gzip", GZIP),
    "capitals": (" GZip ", GZIP),
    "members": ("gzip", MEMBERS),
    "zeros behind": ("gzip", GZIP + bytes(512)),
    "text behind": ("gzip", GZIP + b"\r\n<!-- served by -->"),
    "one byte behind": ("gzip", GZIP + b"\x1f"),
    "wrapped": ("deflate", zlib.compress(JPEG)),
    "bare": ("deflate", bare(JPEG)),
    "wrapped, junk behind": ("deflate", zlib.compress(JPEG) + b"junk"),
    "bare, junk behind": ("deflate", bare(JPEG) + b"junk"),
    "only called deflate": ("deflate", JPEG),
    "twice": ("gzip, gzip", gzip.compress(GZIP)),
    "called so twice": ("gzip,gzip", GZIP),
    "both": ("deflate, gzip", gzip.compress(zlib.compress(JPEG))),
    "unknown inside": ("UTF-8, gzip", GZIP),
    "unknown outside": ("gzip, aws-chunked", GZIP),
    "unknown": ("aws-chunked", JPEG),
    "nonsense": ("base64;q=1, none ,,", JPEG),
    "nothing": ("", JPEG),
    "commas": (" , ,", JPEG),
    "identity": ("identity", JPEG),
    "empty body": ("gzip", b""),
}


@pytest.mark.parametrize("name", BODIES)
@given(places=st.lists(st.integers(0, 10_000), max_size=6))
@settings(max_examples=20)
def test_what_browsers_read_is_read(name: str, places: list[int]) -> None:
    field, body = BODIES[name]
    ends = sorted({place % (len(body) + 1) for place in places} | {0, len(body)})
    assert decode(field, *(body[a:b] for a, b in pairwise(ends))) == (JPEG if body else b"")


@pytest.mark.parametrize(
    "first", [b"RIFF\x10\0\0\0WEBPVP8 ", b"BM\x36\x10", b"II*\0\x08\0", b"MM\0*\0\0", b"\x89PNG\r\n"]
)
@pytest.mark.parametrize("field", ["gzip", "deflate", "deflate, gzip"])
def test_pictures_of_any_kind_that_are_only_called_compressed(field: str, first: bytes) -> None:
    picture = first + random.Random(2).randbytes(2000)
    assert decode(field, picture) == picture


def test_a_short_body_is_not_taken_for_gzip() -> None:
    for body in (b"\x1f", b"\x1f\x8b", b"x"):
        assert decode("gzip", body) == body


def test_what_ends_too_early_is_given_as_far_as_it_goes() -> None:
    assert JPEG.startswith(decode("gzip", GZIP[:-1000]))
    assert decode("gzip", GZIP[:-8]) == JPEG  # all but the checksum


@pytest.mark.parametrize("field", ["gzip", "gzip, UTF-8"])
def test_what_is_compressed_and_damaged_is_refused(field: str) -> None:
    damaged = bytearray(gzip.compress(bytes(range(256)) * 100))
    damaged[20:40] = bytes(20)
    with pytest.raises(Undecodable):
        decode(field, bytes(damaged))
    with pytest.raises(Undecodable):
        BodyDecoder("gzip, " * 6, LIMIT)


BOMB = bytes(10_000_000)


@pytest.mark.parametrize(
    ("field", "body"),
    [
        ("gzip", gzip.compress(BOMB)),
        ("deflate", zlib.compress(BOMB)),
        ("deflate", bare(BOMB)),
        ("gzip, gzip", gzip.compress(gzip.compress(BOMB))),
        # The inner layer ends early: what the outer one still grows to must count too.
        ("gzip, gzip", gzip.compress(gzip.compress(b"x") + BOMB)),
        ("gzip", gzip.compress(bytes(1000)) * 200),
    ],
)
def test_no_layer_grows_beyond_the_limit(field: str, body: bytes) -> None:
    with pytest.raises(TooLarge):
        decode(field, body)


def test_members_without_end_are_not_followed() -> None:
    with pytest.raises(Undecodable):
        decode("gzip", gzip.compress(b"") * 10_001, max_bytes=1_000_000)


@given(st.sampled_from(["gzip", "deflate", "gzip, deflate"]), st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(field: str, body: bytes) -> None:
    for start in (b"", b"\x1f\x8b\x08\0\0\0\0\0", b"\x78\x9c"):
        try:
            decode(field, start + body)
        except (TooLarge, Undecodable):
            continue
