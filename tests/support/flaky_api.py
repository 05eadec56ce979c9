"""A server that speaks our API as a script tells it to, over connections that break where the script says."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

JOB_ID = "0198a5c2-7b31-7c44-9d0e-5a2f8c6b1e77"


@dataclass
class Request:
    """A request as it came in; the body is what arrived of it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Step = Callable[["Handler"], None]


@dataclass
class FlakyApi:
    """The server: what it shall do, and what it has received.

    `plan("GET /v1/jobs/x", step, step)`: each request takes the next step; the last one stays.
    """

    url: str
    requests: list[Request] = field(default_factory=list)
    steps: dict[str, list[Step]] = field(default_factory=lambda: defaultdict(list))
    lock: threading.Lock = field(default_factory=threading.Lock)

    def plan(self, what: str, *steps: Step) -> None:
        self.steps[what] += steps

    def asked(self, what: str) -> list[Request]:
        """Requests of a method and path, the query left aside."""
        return [one for one in self.requests if f"{one.method} {one.path.partition('?')[0]}" == what]

    def next_step(self, what: str) -> Step:
        with self.lock:
            steps = self.steps[what]
            if not steps:
                return problem(404, "not_found", f"nothing is planned for {what}")
            return steps.pop(0) if len(steps) > 1 else steps[0]


class Handler(BaseHTTPRequestHandler):
    """Notes a request, and does what is next."""

    protocol_version = "HTTP/1.1"
    api: FlakyApi
    has_read = False

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def do_GET(self) -> None:
        self._do()

    def do_POST(self) -> None:
        self._do()

    def _do(self) -> None:
        self.close_connection = True
        self.noted = Request(self.command, self.path, dict(self.headers.items()), b"")
        with self.api.lock:
            self.api.requests.append(self.noted)
        self.api.next_step(f"{self.command} {self.path.partition('?')[0]}")(self)

    def read_body(self) -> bytes:
        """All of the body, kept with the request."""
        if self.has_read:
            return self.noted.body
        self.has_read = True
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline() or _left(), 16):
                self.noted.body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            self.noted.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        return self.noted.body

    def log_message(self, *_: object) -> None:
        pass


def _left() -> bytes:
    raise ConnectionResetError("the client went away in the middle of its body")


def say(status: int, body: bytes, **headers: str) -> Step:
    """A whole answer."""

    def step(handler: Handler) -> None:
        handler.read_body()
        _head(handler, status, **{"Content_Length": str(len(body)), **headers})
        handler.wfile.write(body)

    return step


def ok(value: Any, status: int = 200, **headers: str) -> Step:
    """An answer of JSON."""
    return say(status, json.dumps(value).encode(), Content_Type="application/json", **headers)


def problem(status: int, code: str, detail: str = "It is so.", **headers: str) -> Step:
    """A problem of ours."""
    body = {"type": f"urn:tagline:problem:{code}", "status": status, "detail": detail, "code": code}
    return ok(body, status, **headers)


def proxy(status: int, **headers: str) -> Step:
    """What a proxy says where there is no server behind it."""
    return say(status, b"<html><h1>Sorry</h1></html>", Content_Type="text/html", **headers)


def reset(handler: Handler) -> None:
    """The connection is reset as soon as the request's head is there."""
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def lose_answer(handler: Handler) -> None:
    """Everything has arrived, and then the connection is gone."""
    handler.read_body()
    reset(handler)


def half(handler: Handler) -> None:
    """An answer that is shorter than it says."""
    handler.read_body()
    _head(handler, 200, Content_Length="100")
    handler.wfile.write(b'{"id": ')


def no_http(handler: Handler) -> None:
    """Something that is no HTTP."""
    handler.read_body()
    handler.wfile.write(b"220 mail.example ESMTP\r\n")


def refuse_early(status: int, code: str, detail: str) -> Step:
    """A problem after the first bytes of the body; the rest is left where it is, and the connection closed."""

    def step(handler: Handler) -> None:
        handler.noted.body = handler.rfile.read(1000)
        body = json.dumps({"detail": detail, "code": code, "status": status}).encode()
        _head(handler, status, Content_Length=str(len(body)), Connection="close")
        handler.wfile.write(body)

    return step


def stream(blocks: Iterable[bytes], *, ends: bool = True) -> Step:
    """A chunked answer; without its end the connection breaks behind the last block."""
    blocks = list(blocks)

    def step(handler: Handler) -> None:
        _head(handler, 200, Transfer_Encoding="chunked")
        for block in blocks:
            handler.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
        if ends:
            handler.wfile.write(b"0\r\n\r\n")

    return step


def job(state: str = "running", total: int = 2, **counts: int) -> dict[str, Any]:
    """A job as the API shows it."""
    every = {"total": total, "pending": 0, "succeeded": 0, "failed": 0, "cancelled": 0, **counts}
    finished = state not in ("queued", "running")
    return {
        "id": JOB_ID, "state": state, "tasks": ["classify"], "counts": every, "name": None, "progress": 0.5,
        "created_at": "2026-01-01T00:00:00Z", "finished_at": "2026-01-01T00:00:09Z" if finished else None,
        "eta_seconds": None,
    }  # fmt: skip


@contextlib.contextmanager
def flaky_api(port: int = 0) -> Iterator[FlakyApi]:
    """Run the server on loopback."""
    handler = type("OfThisServer", (Handler,), {})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = True
    handler.api = FlakyApi(f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield handler.api  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _head(handler: Handler, status: int, **headers: str) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
