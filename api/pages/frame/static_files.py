"""The pages' own files: stylesheet, scripts, icon."""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
from functools import cache
from pathlib import Path

from flask import Response, abort, request, url_for

from api.http.auth import BrowserBlueprint

blueprint = BrowserBlueprint("static_files", __name__)
FOLDER = Path(__file__).resolve().parents[1] / "static"
FOR_EVER = "public, max-age=31536000, immutable"


@blueprint.get("/static/<path:name>")
def serve(name: str) -> Response:
    if name not in _paths():
        abort(404)
    data, packed, version, kind = _file(name)
    zipped = packed is not None and "gzip" in request.headers.get("Accept-Encoding", "")
    response = Response(packed if zipped else data, content_type=kind)
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.headers["Vary"] = "Accept-Encoding"
    response.headers["Cache-Control"] = FOR_EVER if request.args.get("v") == version else "no-cache"
    response.set_etag(version)
    return response.make_conditional(request)  # type: ignore[return-value]


@blueprint.get("/favicon.ico")
def favicon() -> Response:
    """Browsers ask for it on pages that name no icon."""
    return serve("favicon.svg")


def static_url(name: str) -> str:
    """The address of a file of ours; another one as soon as its content is."""
    return url_for("static_files.serve", name=name, v=_file(name)[2])


@cache
def _file(name: str) -> tuple[bytes, bytes | None, str, str]:
    """Content, the same packed if that helps, a version, and the media type."""
    data = _paths()[name].read_bytes()
    kind = mimetypes.guess_type(name)[0] or "text/plain"
    packed = gzip.compress(data, 9, mtime=0) if len(data) > 500 and not kind.startswith("image/webp") else None
    text = kind.startswith("text/") or kind.endswith("javascript")
    return data, packed, hashlib.sha256(data).hexdigest()[:16], f"{kind}; charset=utf-8" if text else kind


@cache
def _paths() -> dict[str, Path]:
    """The files there are: no other path is ever opened."""
    return {path.relative_to(FOLDER).as_posix(): path for path in FOLDER.rglob("*") if path.is_file()}
