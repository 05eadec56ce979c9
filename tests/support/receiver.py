"""Webhook receivers: one that answers as it is told and keeps what it was sent, and one that answers any bytes."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Receiver:
    """What it will answer, in turn (the last answer for good), and what it has received."""

    url: str
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=lambda: [(204, {})])
    received: list[Received] = field(default_factory=list)

    @property
    def host(self) -> str:
        return self.url.split("/")[2]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        receiver: Receiver = self.server.receiver  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status, headers = receiver.answers[0] if len(receiver.answers) == 1 else receiver.answers.pop(0)
        receiver.received.append(Received(self.path, {k.lower(): v for k, v in self.headers.items()}, body))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Receive on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")
    server.receiver = receiver  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


Answering = Callable[[socket.socket, threading.Event], None]


@dataclass
class RawReceiver:
    """Answers each request with whatever `answer` does with its connection, which is then closed."""

    url: str
    answer: Answering = lambda connection, over: None
    received: int = 0

    @property
    def host(self) -> str:
        return self.url.split("/")[2]


def sends(data: bytes, then: str = "close") -> Answering:
    """Sends these bytes; then it closes, resets, holds the connection, or goes on sending (drip, flood) without end."""

    def answer(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(data)
        match then:
            case "reset":
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            case "hold":
                over.wait()
            case "drip" | "flood":
                more = b"x" if then == "drip" else b"x" * 65536
                while not over.wait(0.01 if then == "drip" else 0):
                    connection.sendall(more)

    return answer


@contextmanager
def raw_receiver() -> Iterator[RawReceiver]:
    """Receive on loopback, with sockets that nothing corrects."""
    listener = socket.create_server(("127.0.0.1", 0))
    receiver = RawReceiver(f"http://127.0.0.1:{listener.getsockname()[1]}/hook")
    over = threading.Event()
    threads: list[threading.Thread] = []

    def serve(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            data = b""
            while not data.endswith(b"}"):  # the body is a JSON object
                data += connection.recv(65536)
            receiver.received += 1
            receiver.answer(connection, over)

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection,), daemon=True))
            threads[-1].start()

    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    try:
        yield receiver
    finally:
        over.set()
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        listener.close()
        for thread in threads:
            thread.join()
