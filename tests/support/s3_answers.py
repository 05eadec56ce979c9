"""A server on the loopback that answers as S3 does when it says no: what no S3 server at hand can be brought to say."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit
from xml.sax.saxutils import escape

REGION = re.compile(r"Credential=[^/]+/\d+/([a-z0-9-]+)/s3/")
PHOTO = b"the photo"


@dataclass(frozen=True)
class Answer:
    """One answer; a body of None is S3's error document."""

    status: int = 200
    code: str = ""
    message: str = "Words of S3 with arn:aws:iam::123456789012:user/operator in them."
    more: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass
class S3Answers:
    """Answers by "METHOD /path" or by "/path"; what was asked, as (method, target, headers).

    Attributes:
        home: only requests signed for this region are served; others are answered by `elsewhere`.
    """

    url: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)
    home: str = ""
    elsewhere: Answer = field(default_factory=Answer)

    def count(self, method: str = "") -> int:
        return sum(1 for asked in self.asked if not method or asked[0] == method)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        s3: S3Answers = self.server.s3  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        s3.asked.append((self.command, self.path, headers))
        path = unquote(urlsplit(self.path).path)
        found = s3.answers.get(f"{self.command} {path}") or s3.answers.get(path)
        signed_for = REGION.search(headers.get("authorization", ""))
        if s3.home and (signed_for is None or signed_for[1] != s3.home):
            found = s3.elsewhere
        self._send(found or Answer(404, "NoSuchKey"))

    do_GET = do_HEAD = do_PUT = _answer

    def _send(self, answer: Answer) -> None:
        body = answer.body
        if body is None and answer.code:
            body = (
                f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{answer.code}</Code>'
                f"<Message>{escape(answer.message)}</Message>{answer.more}<RequestId>4442587FB7D0A2F9</RequestId></Error>"
            ).encode()
        self.send_response(answer.status)
        fixed = {"ETag": '"e"', "Last-Modified": "Wed, 21 Oct 2015 07:28:00 GMT", "Content-Type": "application/xml"}
        for name, value in {**fixed, **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def s3_answers() -> Iterator[S3Answers]:
    """Answer until the block ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    s3 = S3Answers(f"http://127.0.0.1:{server.server_address[1]}")
    server.s3 = s3  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield s3
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
