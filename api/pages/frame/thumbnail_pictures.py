"""The pictures that pages show: thumbnails, for whoever is signed in."""

from __future__ import annotations

from flask import Response

from api.http.auth import caller
from api.http.thumbnail_answers import thumbnail_answer
from api.pages.frame.page import PageBlueprint
from api.pages.identity.public_demo import check_photo

blueprint = PageBlueprint("thumbnail_pictures", visitors=True)


@blueprint.get("/thumbnails/<sha256:sha256>")
def show(sha256: str) -> Response:
    check_photo(sha256)
    return thumbnail_answer(caller().tenant_id, sha256)
