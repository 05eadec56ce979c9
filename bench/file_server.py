"""Serves a folder on loopback with keep-alive: where the benchmark's photos are fetched from. `FOLDER PORT`"""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet
    files: dict[str, bytes]

    def do_GET(self) -> None:
        body = self.files.get(self.path.split("?")[0].lstrip("/"), b"")
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "image/jpeg")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


if __name__ == "__main__":
    folder, port = Path(sys.argv[1]), int(sys.argv[2])
    Handler.files = {path.name: path.read_bytes() for path in folder.iterdir()}
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()
