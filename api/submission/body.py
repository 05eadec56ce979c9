"""A request's body as a stream; when it ends, it is known to be whole."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flask import request

from api.http.environ import BODY_VERIFIED
from core.errors import RequestError

BLOCK = 64 * 1024


def refuse_coded_body() -> None:
    """Refuse a compressed body, which would otherwise be refused as malformed.

    Raises:
        RequestError: `unsupported_media_type`.
    """
    coding = request.headers.get("Content-Encoding", "identity").strip()
    if coding.lower() not in ("", "identity"):
        message = f"Content-Encoding {coding[:50]!r} is not supported; send the body as it is."
        raise RequestError("unsupported_media_type", message, where="Content-Encoding")


def media_type_of(accepted: Sequence[str]) -> str:
    """The content type of the request, of a body as it is.

    Args:
        accepted: the content types that are read.

    Raises:
        RequestError: `unsupported_media_type`, it is another, or the body is compressed.
    """
    if request.mimetype not in accepted:
        given = f"not {request.mimetype[:100]!r}" if request.mimetype else "and none was named"
        known = f"one of {', '.join(accepted)}" if len(accepted) > 1 else accepted[0]
        raise RequestError("unsupported_media_type", f"Content-Type is {known}, {given}.", where="Content-Type")
    refuse_coded_body()
    return request.mimetype


class Body:
    """Reads a body once, hashing as it goes.

    A client that dies must not look like one that has finished. With Content-Length the bytes are counted. A
    chunked body tells its end itself, but a WSGI server may report "end" for "connection lost" (granian does), so
    one is read only from a server that is known to tell the two apart.
    """

    def __init__(self, environ: dict[str, Any]) -> None:
        self._stream = environ["wsgi.input"]
        length = environ.get("CONTENT_LENGTH")
        self._expected = int(length) if length else None
        self._chunked = "HTTP_TRANSFER_ENCODING" in environ
        self._verified = bool(environ.get(BODY_VERIFIED))
        self._read = 0
        self._hash = hashlib.sha256()
        self.on_block: Callable[[], None] = lambda: None  # called as often as bytes arrive

    def blocks(self) -> Iterator[bytes]:
        """The body's bytes as they arrive.

        Raises:
            RequestError: `body_incomplete`, `request_timeout`, or `length_required`.
        """
        if self._chunked and not self._verified:
            raise RequestError("length_required", "Send Content-Length.", where="Content-Length")
        if self._expected is None and not self._chunked:
            return
        while block := self._stream.read(BLOCK):
            self._read += len(block)
            self._hash.update(block)
            self.on_block()
            yield block
        if self._expected is not None and self._read != self._expected:
            message = f"{self._read:,} of {self._expected:,} bytes arrived; nothing was accepted."
            raise RequestError("body_incomplete", message)

    def read_all(self, limit: int, code: str, advice: str) -> bytes:
        """The whole body.

        Raises:
            RequestError: `code` if it is longer than `limit` bytes; and as `blocks`.
        """
        if (self._expected or 0) > limit:
            raise RequestError(code, f"The body may have at most {limit:,} bytes. {advice}")
        parts = []
        for block in self.blocks():
            parts.append(block)
            if self._read > limit:
                raise RequestError(code, f"The body may have at most {limit:,} bytes. {advice}")
        return b"".join(parts)

    def digest(self, *context: str) -> str:
        """SHA-256 of the context and of what was read, in hex."""
        whole = hashlib.sha256("\n".join(context).encode("utf-8", "surrogatepass") + b"\0" + self._hash.digest())
        return whole.hexdigest()
