"""A web server with the sample photos, a broken one, a text that is called a photo, and one that never ends."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HELD_S = 240.0  # at most; less than a `TAGLINE_FETCH_TIMEOUT_S` that goes with it
SAMPLES = Path(__file__).resolve().parents[2] / "samples"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        name = self.path.split("?")[0].lstrip("/")
        folder: Path = self.server.folder  # type: ignore[attr-defined]
        if name == "slow":
            self._drip()
        elif name.startswith("held/"):
            self.server.released.wait(HELD_S)  # type: ignore[attr-defined]
            name = name.removeprefix("held/")
            found = (folder / name).is_file()
            self._answer(200, (folder / name).read_bytes()) if found else self._answer(404, b"nothing here")
        elif name == "favicon.ico":  # browsers ask for it when they like, and complain where there is none
            self._answer(204, b"")
        elif name == "broken.jpg":
            whole = (SAMPLES / "cat.jpg").read_bytes()
            self._answer(200, whole[: len(whole) // 2])
        elif name == "text.jpg":
            self._answer(200, b"This is not a photo. " * 50)
        elif (folder / name).is_file() and "/" not in name:
            self._answer(200, (folder / name).read_bytes())
        else:
            self._answer(404, b"nothing here")

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        try:
            while not self.server.ending.is_set():  # type: ignore[attr-defined]
                self.wfile.write(b".")
                time.sleep(0.2)
        except OSError:
            pass

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def photo_server(folder: Path = SAMPLES, released: threading.Event | None = None) -> Iterator[str]:
    """Serve a folder on loopback; gives the base URL. What is below /held/ is not answered until it is `released`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.released = released or threading.Event()  # type: ignore[attr-defined]
    server.folder = folder  # type: ignore[attr-defined]
    server.ending = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.ending.set()  # type: ignore[attr-defined]
        server.released.set()  # type: ignore[attr-defined]
        server.shutdown()
        server.server_close()
