"""From an ASGI scope to the WSGI environment of the same request."""

from __future__ import annotations

import sys
from typing import Any
from urllib.parse import unquote_to_bytes

from api.http.body_stream import BodyStream
from api.http.server_loop import Message

BODY_VERIFIED = "tagline.body_verified"  # set: `wsgi.input` raises when the client dies, instead of ending


def make_environ(scope: Message, stream: BodyStream) -> dict[str, Any]:
    """The WSGI environment (PEP 3333) of an ASGI HTTP scope."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope["raw_path"].split(b"?")[0]).decode("latin-1"),
        "QUERY_STRING": _text(scope["query_string"]),
        "SERVER_NAME": scope["server"][0],
        "SERVER_PORT": str(scope["server"][1]),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "REMOTE_ADDR": scope["client"][0] if scope.get("client") else "",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": stream,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        BODY_VERIFIED: True,
    }
    for raw_name, raw_value in scope["headers"]:
        name = _text(raw_name).upper().replace("-", "_")
        key = name if name in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{name}"
        value = _text(raw_value)
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    return environ


def _text(raw: bytes | str) -> str:
    """PEP 3333 wants bytes as the text that ISO 8859-1 makes of them."""
    return raw if isinstance(raw, str) else raw.decode("latin-1")
