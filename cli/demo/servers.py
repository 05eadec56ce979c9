"""What the demo needs beside the service: a web server with photos, and a receiver of webhooks."""

from __future__ import annotations

import contextlib
import hmac
import json
import queue
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from core.outbound.signing import sign


class _Photos(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def photo_server(folder: Path) -> Iterator[str]:
    """Serve a folder on the loopback; the URL of its root."""
    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), partial(_Photos, directory=str(folder)))) as url:
        yield url


@contextlib.contextmanager
def webhook_receiver(secret: str) -> Iterator[tuple[str, queue.Queue[dict[str, Any]]]]:
    """Receive webhooks on the loopback; its URL, and the messages whose signature was right."""
    verified: queue.Queue[dict[str, Any]] = queue.Queue()

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            stamp = int(self.headers["webhook-timestamp"])
            wanted = sign(secret, self.headers["webhook-id"], stamp, body)
            good = any(hmac.compare_digest(wanted, each) for each in self.headers["webhook-signature"].split())
            if good:
                verified.put(json.loads(body))
            self.send_response(204 if good else 400)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with _serving(ThreadingHTTPServer(("127.0.0.1", 0), Receiver)) as url:
        yield f"{url}/tagline", verified


@contextlib.contextmanager
def _serving(server: ThreadingHTTPServer) -> Iterator[str]:
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
