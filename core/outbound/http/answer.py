"""What a server sends back for one hop, taken in as it arrives and cut off at the hop's limits. Does no I/O."""

from __future__ import annotations

from core.errors import ItemError
from core.outbound.http.content_coding import BodyDecoder, TooLarge, Undecodable
from core.outbound.http.hop import REDIRECTS, Hop

_MAX_HEADER_BYTES = 64 * 1024
_MAX_REDIRECT_BODY = 64 * 1024


class Answer:
    """The answer to one hop.

    Attributes:
        error: what is wrong with it, if anything was found while it came in.
        begun: a byte has arrived.
        head_read: status and headers of the real answer are complete; an interim one (1xx) is none.
    """

    def __init__(self, hop: Hop) -> None:
        self._hop = hop
        self.error: ItemError | None = None
        self.begun = False
        self.head_read = False
        self._lines: list[bytes] = []
        self._header_bytes = 0
        self._body_bytes = 0
        self._begun_body = False
        self._chunks: list[bytes] = []
        self._decoder: BodyDecoder | None = None
        self._redirects = False

    @property
    def status(self) -> int:
        """The latest status, which libcurl has parsed before it handed the line on; 0 without one."""
        words = self._lines[0].split(None, 2) if self._lines else []
        return int(words[1][:3]) if len(words) > 1 and words[1][:3].isdigit() else 0

    @property
    def headers(self) -> dict[str, str]:
        """By lower-case name; of repeated ones the first, but codings are joined."""
        headers: dict[str, str] = {}
        for line in self._lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon:
                continue
            key, text = name.strip().lower().decode("latin-1"), _text(value.strip())
            if key == "content-encoding" and key in headers:
                headers[key] += f", {text}"
            headers.setdefault(key, text)
        return headers

    def body(self) -> bytes:
        """All of the body, decoded; after the transfer. What is wrong with it is then in `error`."""
        if self._decoder is not None and self.error is None:
            try:
                return self._decoder.finish()
            except (TooLarge, Undecodable) as error:
                self.error = self._refusal(error)
        return b"".join(self._chunks)

    def header(self, line: bytes) -> bool:
        """Take in a line of the head, status line and blank line included; False: enough, break off."""
        self.begun = True
        self._header_bytes += len(line)
        if self._header_bytes > _MAX_HEADER_BYTES:
            message = f"the server sent more than {_MAX_HEADER_BYTES} bytes of headers"
            self.error = ItemError("fetch_too_large", message)
            return False
        if self.head_read:  # trailers of a chunked body
            return True
        if line.startswith(b"HTTP/"):  # after an interim answer the real one follows
            self._lines.clear()
        self._lines.append(line)
        self.head_read = not line.strip() and self.status >= 200
        return True

    def needs(self, size: int) -> int:
        """Bytes of memory that the next `size` bytes of the body may take: one compressed piece may become as much as
        is allowed in all."""
        self._begin_body()
        if self._redirects:
            return 0
        if self._decoder is None:
            return size
        return 0 if self._body_bytes else self._hop.max_bytes

    def write(self, data: bytes) -> bool:
        """Take in a piece of the body; False: enough, break off."""
        self._begin_body()
        self._body_bytes += len(data)
        if self._redirects:
            return self._body_bytes <= _MAX_REDIRECT_BODY
        if self._body_bytes > self._hop.max_bytes:
            self.error = self._refusal(TooLarge())
        elif self._decoder is None:
            self._chunks.append(data)
        elif self.error is None:
            try:
                self._decoder.feed(data)
            except (TooLarge, Undecodable) as error:
                self.error = self._refusal(error)
        return self.error is None

    def _begin_body(self) -> None:
        if self._begun_body:
            return
        self._begun_body = True
        self._redirects = self._hop.follow and self.status in REDIRECTS
        field = self.headers.get("content-encoding", "") if self._hop.decode == "ours" else ""
        if field:
            try:
                self._decoder = BodyDecoder(field, self._hop.max_bytes)
            except Undecodable as error:
                self.error = self._refusal(error)

    def _refusal(self, error: TooLarge | Undecodable) -> ItemError:
        host = self._hop.url.host
        if isinstance(error, TooLarge):
            return ItemError("fetch_too_large", f"the body from {host} is larger than {self._hop.max_bytes} bytes")
        return ItemError("fetch_failed", f"the body from {host} cannot be decompressed")


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
