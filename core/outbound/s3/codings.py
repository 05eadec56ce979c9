"""Objects that are stored compressed: their Content-Encoding says so, and whoever reads them has to unpack."""

from __future__ import annotations

import zlib

_FORMATS = {"gzip": 31, "x-gzip": 31, "deflate": 15}  # zlib's wbits for each (RFC 9110, section 8.4.1)
_STEP = 65_536  # bytes handed to zlib at once: whatever it leaves over is copied
_MAX_MEMBERS = 1_024  # nobody's photo has more, and a million empty ones would keep us busy for long


def decode(data: bytes, content_encoding: str, max_bytes: int) -> bytes:
    """The content as its owner knows it.

    Object stores keep whatever was written there as the coding. So what has no coding that we know, or is not what it
    is called, is taken as it stands, as browsers do; of what breaks off, what there is.

    Raises:
        OverflowError: it unpacks to more than `max_bytes`.
    """
    for coding in reversed(content_encoding.lower().split(",")):
        wbits = _FORMATS.get(coding.strip())
        if wbits is not None:
            data = _inflate(data, wbits, max_bytes)
    return data


def _inflate(data: bytes, wbits: int, max_bytes: int) -> bytes:
    """Every member of a compressed file (RFC 1952, section 2.2); what follows the last is left out."""
    out, position = bytearray(), 0
    for _ in range(_MAX_MEMBERS):
        unpacker = zlib.decompressobj(wbits)
        while position < len(data) and not unpacker.eof:
            piece = data[position : position + _STEP]
            try:
                out += unpacker.decompress(piece, max_bytes - len(out) + 1)
            except zlib.error:
                return bytes(out) if out else data
            if len(out) > max_bytes:
                raise OverflowError
            position += len(piece) - len(unpacker.unused_data)
    return bytes(out)
