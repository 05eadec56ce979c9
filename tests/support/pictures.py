"""Small pictures made on the spot, files made of them, and what the decoder says of those."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from PIL import Image, ImageDraw
from pillow_heif import from_pillow

from core.errors import ItemError
from core.images.decode import ImageSpec, decode_image

SPEC = ImageSpec(size=(40, 40))
LIMIT = 10_000_000
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(width: int = 120, height: int = 80) -> Image.Image:
    """Red, green over blue, white: every orientation looks different."""
    image = Image.new("RGB", (width, height), RED)
    draw = ImageDraw.Draw(image)
    draw.rectangle((width // 2, 0, width, height // 2 - 1), GREEN)
    draw.rectangle((0, height // 2, width // 2 - 1, height), BLUE)
    draw.rectangle((width // 2, height // 2, width, height), WHITE)
    return image


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def heif(image: Image.Image) -> bytes:
    out = io.BytesIO()
    from_pillow(image).save(out, quality=95)
    return out.getvalue()


def corners(data: bytes, spec: ImageSpec = SPEC) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters, each channel rounded to 0, 128 or 255."""
    pixels = decode_image(data, spec, LIMIT).pixels
    height, width = pixels.shape[:2]
    spots = [(height // 4, width // 4), (height // 4, 3 * width // 4)]
    spots += [(3 * height // 4, width // 4), (3 * height // 4, 3 * width // 4)]
    return [tuple(min((0, 128, 255), key=lambda level: abs(level - int(c))) for c in pixels[spot]) for spot in spots]


def code(data: bytes, limit: int = LIMIT) -> str:
    with pytest.raises(ItemError) as caught:
        decode_image(data, SPEC, limit)
    assert caught.value.permanent
    assert caught.value.message.endswith(".")
    return caught.value.code


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, body in chunks:
        parts.append(struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)))
    return b"".join(parts)


IHDR = (b"IHDR", struct.pack(">IIBBBBB", 2, 2, 8, 2, 0, 0, 0))
IDAT = (b"IDAT", zlib.compress(b"\0" + bytes(RED) * 2 + b"\0" + bytes(RED) * 2))
IEND = (b"IEND", b"")
