"""A real HTTP proxy on loopback, which takes every name for one server, and keeps what it was asked for."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class ForwardProxy:
    """Its URL, its requests' heads, and what it says to CONNECT other than yes."""

    url: str
    target: int
    heads: list[str] = field(default_factory=list)
    refusal: bytes = b""


@contextlib.contextmanager
def forward_proxy(target: int) -> Iterator[ForwardProxy]:
    """Run the proxy; whatever it is asked for, it connects to this port on loopback."""
    listener = socket.create_server(("127.0.0.1", 0))
    proxy = ForwardProxy(f"http://127.0.0.1:{listener.getsockname()[1]}", target)
    threads: list[threading.Thread] = []
    connections: list[socket.socket] = []

    def start(work: object, *arguments: object) -> None:
        threads.append(threading.Thread(target=work, args=arguments, daemon=True))  # type: ignore[arg-type]
        threads[-1].start()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                start(serve, connection)

    def serve(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head = data.decode("latin-1")
            proxy.heads.append(head)
            if head.startswith("CONNECT ") and proxy.refusal:
                connection.sendall(proxy.refusal)
                return
            with socket.create_connection(("127.0.0.1", proxy.target)) as origin:
                connections.append(origin)
                if head.startswith("CONNECT "):
                    connection.sendall(b"HTTP/1.1 200 Established\r\nX-Proxy: yes\r\n\r\n")
                else:  # origin form, and one request a connection
                    method, url, rest = head.split(" ", 2)
                    path = "/" + url.split("/", 3)[3]
                    rest = rest.replace("\r\n", "\r\nConnection: close\r\n", 1)
                    origin.sendall(f"{method} {path} {rest}".encode("latin-1"))
                start(pump, connection, origin)
                pump(origin, connection)

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):  # also after a reset: whoever reads there would wait for ever
            sink.shutdown(socket.SHUT_WR)

    start(accept)
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()
