"""Bodies as their Content-Encoding says, read as forgivingly as browsers do.

Object stores keep all sorts of things in that field, and programs label what they did not compress. So a coding that
nobody knows is passed through; a body that is only called gzip or deflate is taken as it is; gzip may have several
members (RFC 1952) and junk behind them; deflate may lack its wrapping (RFC 9110, section 8.4.1.2, says that many do).
Brotli is left to libcurl, for the standard library has none.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Protocol

ACCEPTED = "gzip, deflate"
_GZIP_MAGIC = b"\x1f\x8b\x08"
_GZIP, _ZLIB, _RAW = 31, 15, -15  # zlib's numbers for the wrappings
_BLOCK = 256 * 1024
_MAX_CODINGS = 5
_MAX_MEMBERS = 10_000  # each costs time, also an empty one


class TooLarge(Exception):
    """There are more bytes than allowed."""


class Undecodable(Exception):
    """What claims to be compressed, and looks like it, is damaged."""


def codings(field: str) -> list[str]:
    """The codings that a Content-Encoding names, in lower case, in the order in which they were applied."""
    return [name for name in (part.strip().lower() for part in field.split(",")) if name]


class BodyDecoder:
    """Undoes the codings of one body as it arrives.

    Args:
        field: Content-Encoding; several fields joined by commas.
        max_bytes: most bytes that any of its layers may grow to.

    Raises:
        Undecodable: more than five codings.
    """

    def __init__(self, field: str, max_bytes: int) -> None:
        names = [name.removeprefix("x-") for name in reversed(codings(field))]
        self._layers = [_LAYERS[name](max_bytes) for name in names if name in _LAYERS]
        if len(self._layers) > _MAX_CODINGS:
            raise Undecodable
        self._decoded: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take in the next bytes.

        Raises:
            TooLarge, Undecodable: the body cannot be used; feed no more.
        """
        self._pass(iter((data,)), self._layers)

    def finish(self) -> bytes:
        """The decoded body. One that ends too early is given as far as it goes.

        Raises:
            TooLarge, Undecodable: as `feed`.
        """
        for place, layer in enumerate(self._layers):
            self._pass(layer.finish(), self._layers[place + 1 :])
        return b"".join(self._decoded)

    def _pass(self, blocks: Iterator[bytes], layers: Iterable[_Layer]) -> None:
        for layer in layers:
            blocks = layer.feed(blocks)
        try:
            self._decoded.extend(blocks)
        except zlib.error as error:
            raise Undecodable from error


class _Layer(Protocol):
    def feed(self, blocks: Iterator[bytes]) -> Iterator[bytes]: ...

    def finish(self) -> Iterator[bytes]: ...


class _Meter:
    """Lets blocks through until they are too many."""

    def __init__(self, max_bytes: int) -> None:
        self._left = max_bytes

    def through(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._left -= len(block)
            if self._left < 0:
                raise TooLarge
            yield block


class _Gzip:
    """One member after the other; the first bytes say whether it is gzip at all."""

    def __init__(self, max_bytes: int) -> None:
        self._meter = _Meter(max_bytes)
        self._held = b""  # too few to tell
        self._engine: zlib._Decompress | None = None
        self._members = 0
        self._plain = False
        self._ended = False

    def feed(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for data in blocks:
            yield from self._meter.through(self._read(data))

    def finish(self) -> Iterator[bytes]:
        if not self._members:
            yield self._held

    def _read(self, data: bytes) -> Iterator[bytes]:
        while data and not self._ended:
            if self._plain:
                yield data
                return
            if self._engine is None:
                data, self._held = self._held + data, b""
                if len(data) < len(_GZIP_MAGIC) and _GZIP_MAGIC.startswith(data):
                    self._held = data
                    return
                if not data.startswith(_GZIP_MAGIC):
                    self._plain, self._ended = not self._members, bool(self._members)
                    continue
                self._open_member()
            assert self._engine is not None
            yield from _inflate(self._engine, data)
            if not self._engine.eof:
                return
            data, self._engine = self._engine.unused_data, None

    def _open_member(self) -> None:
        self._members += 1
        if self._members > _MAX_MEMBERS:
            raise Undecodable
        self._engine = zlib.decompressobj(_GZIP)


class _Deflate:
    """Kept until it is whole: only decoding all of it tells whether it is wrapped, bare, or not compressed."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._meter = _Meter(max_bytes)
        self._parts: list[bytes] = []

    def feed(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        self._parts += self._meter.through(blocks)
        yield from ()

    def finish(self) -> Iterator[bytes]:
        body = b"".join(self._parts)
        wrapped = len(body) >= 2 and body[0] & 15 == 8 and int.from_bytes(body[:2], "big") % 31 == 0
        for wrapping in (_ZLIB, _RAW) if wrapped else (_RAW,):
            engine = zlib.decompressobj(wrapping)
            try:
                decoded = list(_Meter(self._max_bytes).through(_inflate(engine, body)))
            except zlib.error:
                continue
            if engine.eof or wrapping == _ZLIB:
                return iter(decoded)
        return iter((body,))


def _inflate(engine: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """What comes out for `data`, in blocks: a few bytes can be very many."""
    full = True
    while full and not engine.eof:
        block = engine.decompress(data, _BLOCK)
        data = engine.unconsumed_tail
        full = len(block) == _BLOCK
        if block:
            yield block


_LAYERS: dict[str, type[_Gzip] | type[_Deflate]] = {"gzip": _Gzip, "deflate": _Deflate}
