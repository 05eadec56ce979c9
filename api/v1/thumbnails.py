"""Thumbnails of photos."""

from __future__ import annotations

from flask import Blueprint, Response

from api.document.operations import Answer, Operation, describe
from api.http.auth import caller
from api.http.thumbnail_answers import WEBP, thumbnail_answer

blueprint = Blueprint("thumbnails", __name__)


@blueprint.get("/v1/thumbnails/<sha256:sha256>")
@describe(
    Operation(
        "Read a photo's thumbnail",
        "results",
        {
            200: Answer(
                "At most 320 pixels on the longest side, upright, in sRGB.",
                bodies={WEBP: {"type": "string", "format": "binary"}},
                headers=("ETag",),
            ),
            304: Answer("It is the one that `If-None-Match` names."),
        },
        description="Named by the SHA-256 of the photo's bytes, in hex: `media.sha256` of a result, `sha256` of a "
        "library's photo. There is one once a job of yours has decoded the photo (`TAGLINE_THUMBNAILS`).",
        problems=("thumbnail_not_found", "storage_unavailable"),
    )
)
def read(sha256: str) -> Response:
    return thumbnail_answer(caller().tenant_id, sha256)
