"""A real HTTP server on loopback that behaves badly on request. Raw sockets, so that nothing corrects it."""

from __future__ import annotations

import contextlib
import gzip
import socket
import struct
import threading
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Received:
    """A request as it came in."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    def parameter(self, name: str, default: str = "") -> str:
        """A query parameter, decoded."""
        return parse_qs(urlsplit(self.target).query).get(name, [default])[0]

    @property
    def words(self) -> list[str]:
        """The segments of the path."""
        return [unquote(word) for word in urlsplit(self.target).path.strip("/").split("/")]


@dataclass
class HttpServer:
    """The server: `url("/bytes/10")`, and what it has received."""

    port: int
    requests: list[Received] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    active: int = 0
    most_active: int = 0
    answered_at: list[float] = field(default_factory=list)
    asleep: bool = False
    files: dict[str, tuple[bytes, dict[str, str]]] = field(default_factory=dict)  # by name: body, headers
    lock: threading.Lock = field(default_factory=threading.Lock)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def place(self) -> str:
        """host:port, as in allow_hosts."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """The URL of a route."""
        return f"http://{self.place}{path}"


@contextlib.contextmanager
def http_server(wrap: Callable[[socket.socket], socket.socket] = lambda plain: plain) -> Iterator[HttpServer]:
    """Run the server; `wrap` may put TLS around each connection."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    server = HttpServer(listener.getsockname()[1])
    open_sockets: set[socket.socket] = set()
    threads: list[threading.Thread] = []

    def serve(plain: socket.socket) -> None:
        connection = plain
        try:
            connection = wrap(plain)
            while _answer_one(server, connection):
                pass
        except OSError:
            pass  # the client went away, or the test is over
        finally:
            connection.close()
            plain.close()
            open_sockets.discard(plain)

    def accept() -> None:
        while not server.stopping.is_set():
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server.connections += 1
            open_sockets.add(plain)
            threads.append(threading.Thread(target=serve, args=(plain,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield server
    finally:
        server.stopping.set()
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        listener.close()
        for plain in list(open_sockets):
            with contextlib.suppress(OSError):
                plain.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def _answer_one(server: HttpServer, connection: socket.socket) -> bool:
    """Read a request and answer it; whether the connection goes on."""
    request = _read(connection)
    if request is None:
        return False
    with server.lock:
        server.requests.append(request)
        server.seen[request.target] += 1
        server.active += 1
        server.most_active = max(server.most_active, server.active)
    try:
        return ROUTES[request.words[0]](server, connection, request)
    finally:
        with server.lock:
            server.active -= 1


def _read(connection: socket.socket) -> Received | None:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            return None
        data += more
        if data[0] == 0x16:  # a TLS handshake, where none is expected
            _send(connection, 400)
            return None
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    method, target, _ = first.split(" ")
    return Received(method, target, headers, body)


def _send(connection: socket.socket, status: int, body: bytes = b"", **headers: str) -> bool:
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    connection.sendall("\r\n".join([*lines, "", ""]).encode("utf-8") + body)
    return True


def _raw(connection: socket.socket, text: str, body: bytes = b"") -> None:
    connection.sendall(text.replace("\n", "\r\n").encode("latin-1") + b"\r\n" + body)


def _bytes(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    return _send(connection, 200, b"x" * int(request.words[1]))


def _file(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    """/file/NAME of `files`; 304 where a condition (RFC 9110, section 13) says that the client has it."""
    body, headers = server.files[request.words[1]]
    known, since = request.headers.get("if-none-match"), request.headers.get("if-modified-since")
    same = known == headers.get("ETag") if known else since is not None and since == headers.get("Last-Modified")
    if not same:
        return _send(connection, 200, body, **headers)
    fields = "".join(f"{name}: {value}\n" for name, value in headers.items())
    _raw(connection, f"HTTP/1.1 304 Not Modified\n{fields}")
    return True


def _status(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    return _send(connection, int(request.words[1]), b"status", Retry_After=request.parameter("after", "0"))


def _echo(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    return _send(connection, 200, request.method.encode() + b" " + request.body)


def _redirect(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    size = int(request.parameter("size", "0"))
    return _send(connection, int(request.parameter("code", "302")), b"r" * size, Location=request.parameter("to"))


def _chain(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    left = int(request.words[1])
    return _send(connection, 302, Location=f"/chain/{left - 1}") if left else _send(connection, 200, b"end")


def _flaky(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    """/flaky/how/times: that many failures, then 200."""
    if server.seen[request.target] > int(request.words[2]):
        return _send(connection, 200, b"at last")
    return _reset(server, connection, request) if request.words[1] == "reset" else _send(connection, 503)


def _reset(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def _silent(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    server.stopping.wait(30)
    return False


def _awake(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    """/awake: an answer, but none while the server is asleep."""
    return _silent(server, connection, request) if server.asleep else _send(connection, 200, b"awake")


def _stall(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    _raw(connection, "HTTP/1.1 200 OK\nContent-Length: 10\n", b"half")
    return _silent(server, connection, request)


def _drip(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    _raw(connection, "HTTP/1.1 200 OK\nContent-Length: 100000\n")
    while not server.stopping.wait(0.02):
        connection.sendall(b".")
    return False


def _drip_headers(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not server.stopping.wait(0.02):
        connection.sendall(b"x: y\r\n")
    return False


def _short(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    _raw(connection, "HTTP/1.1 200 OK\nContent-Length: 100\n", b"short")
    return False


def _long(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    _raw(connection, "HTTP/1.1 200 OK\nContent-Length: 3\n", b"abcdefgh")
    return False


def _length(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    """/length/N: a declared length, and nothing else."""
    _raw(connection, f"HTTP/1.1 200 OK\nContent-Length: {request.words[1]}\n")
    return _silent(server, connection, request)


def _endless(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    """Chunks without end; gzip: the same bytes compressed, so that few of them are many."""
    packed = request.words[-1] == "gzip"
    encoding = "Content-Encoding: gzip\n" if packed else ""
    _raw(connection, f"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n{encoding}")
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    zeros = bytes(1024 * 1024)
    while not server.stopping.is_set():
        data = (packer.compress(zeros) + packer.flush(zlib.Z_SYNC_FLUSH)) if packed else zeros
        connection.sendall(f"{len(data):x}\r\n".encode() + data + b"\r\n")
    return False


def _cut_chunks(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    _raw(connection, "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n", b"5\r\nhello\r\n")
    return False


def _gzip(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    body = gzip.compress(b"z" * int(request.words[1]))
    return _send(connection, 200, body, Content_Encoding="gzip")


def _bad_gzip(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    body = bytearray(gzip.compress(bytes(range(256)) * 100))
    body[20:40] = bytes(20)
    return _send(connection, 200, bytes(body), Content_Encoding="gzip")


def _encoded(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    """/encoded/HEX?as=CODING&as=...: that body, under these Content-Encoding fields."""
    body = bytes.fromhex("".join(request.words[1:]))
    query = parse_qs(urlsplit(request.target).query, keep_blank_values=True)
    fields = "".join(f"Content-Encoding: {field}\n" for field in query["as"])
    _raw(connection, f"HTTP/1.1 200 OK\nContent-Length: {len(body)}\n{fields}", body)
    return True


def _limited(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    """/limited/N/SECONDS/...?after=R&code=429: N answers in so many seconds, else a plea for time."""
    most, seconds, now = int(request.words[1]), float(request.words[2]), time.monotonic()
    with server.lock:
        server.answered_at = [moment for moment in server.answered_at if now - moment < seconds]
        if len(server.answered_at) < most:
            server.answered_at.append(now)
            return _send(connection, 200, b"x")
    after = request.parameter("after", "0")
    headers = {} if after == "none" else {"Retry_After": after}
    return _send(connection, int(request.parameter("code", "429")), b"too many", **headers)


def _many_headers(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    """/headers/how many/how long."""
    value = "v" * int(request.words[2])
    lines = "".join(f"h{number}: {value}\n" for number in range(int(request.words[1])))
    _raw(connection, f"HTTP/1.1 200 OK\nContent-Length: 0\n{lines}")
    return True


def _not_http(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    connection.sendall(b"220 mail.example ESMTP\r\n")
    return False


def _nothing(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    return False


def _hints(server: HttpServer, connection: socket.socket, request: Received) -> bool:
    _raw(connection, "HTTP/1.1 103 Early Hints\nLocation: http://10.0.0.1/\nlink: early\n")
    return _send(connection, 200, b"real")


ROUTES: dict[str, Callable[[HttpServer, socket.socket, Received], bool]] = {
    "awake": _awake,
    "bad-gzip": _bad_gzip,
    "bytes": _bytes,
    "chain": _chain,
    "cut-chunks": _cut_chunks,
    "drip": _drip,
    "drip-headers": _drip_headers,
    "echo": _echo,
    "encoded": _encoded,
    "endless": _endless,
    "file": _file,
    "flaky": _flaky,
    "gzip": _gzip,
    "headers": _many_headers,
    "hints": _hints,
    "length": _length,
    "limited": _limited,
    "long": _long,
    "not-http": _not_http,
    "nothing": _nothing,
    "redirect": _redirect,
    "reset": _reset,
    "short": _short,
    "silent": _silent,
    "stall": _stall,
    "status": _status,
}
