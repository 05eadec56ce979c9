"""A thumbnail as an answer, for programs and for pages: only to a tenant that had the photo."""

from __future__ import annotations

import logging

from flask import Response, request

from api.services import services
from core.errors import NotFound, TaglineError
from core.storage.thumbnail_store import STORE_FAILURES, read_thumbnail
from db.thumbnails import forget_thumbnail, thumbnails_there

log = logging.getLogger(__name__)
WEBP = "image/webp"


def thumbnail_answer(tenant_id: str, sha256: str) -> Response:
    """The thumbnail of a photo by the SHA-256 of its bytes. It never changes, so that a browser asks once.

    Raises:
        NotFound: `thumbnail_not_found`, also for somebody else's.
        TaglineError: `storage_unavailable`.
    """
    with services().database.read() as session:
        there = sha256 in thumbnails_there(session, tenant_id, [sha256])
    response = Response(content_type=WEBP)
    response.set_etag(sha256)
    response.headers["Cache-Control"] = "private, max-age=31536000, immutable"
    if there and request.if_none_match.contains_weak(sha256):
        response.status_code = 304
        return response
    data = _read(sha256) if there else None
    if data is None:
        raise NotFound("thumbnail_not_found", f"There is no thumbnail of {sha256}.")
    response.set_data(data)
    return response


def _read(sha256: str) -> bytes | None:
    try:
        data = read_thumbnail(services().thumbnails, sha256)
    except STORE_FAILURES as error:
        log.error("thumbnails cannot be read: %s", error)
        raise TaglineError("storage_unavailable", "Thumbnails cannot be read at present; try again later.") from error
    if data is None:
        log.warning("a thumbnail is gone or damaged, and is made again when its photo is", extra={"sha256": sha256})
        with services().database.write() as session:
            forget_thumbnail(session, sha256)
    return data
