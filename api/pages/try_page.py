"""The first page: give photos or a text, and see what the models say."""

from __future__ import annotations

from flask import Response

from api.pages.page import PageBlueprint, page

blueprint = PageBlueprint("try_page", max_bytes=300_000_000)


@blueprint.get("/")
def show() -> Response:
    return page("try/page.html")
