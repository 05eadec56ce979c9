"""One photo of a library: its labels by who gave them, its caption, what was said of it; and saying something."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api.pages.frame.page import PageBlueprint, is_htmx, page, see_other
from api.pages.libraries.library_pictures import look_at, still_wanted
from api.pages.libraries.library_shown import shown_library, tenant
from api.services import services
from api.submission.library_requests import CaptionEditRequest, LabelEditsRequest, check_total
from db.libraries import find_library
from db.library_browsing import history_of, neighbours
from libraries import photos

blueprint = PageBlueprint("library_photo")
MANY = 20  # labels of models that are shown at once
SURE = 0.5


@blueprint.get("/libraries/<id:library_id>/photos/<photo_id>")
def show(library_id: str, photo_id: str) -> Response:
    with services().database.read() as session:
        library = find_library(session, tenant(), library_id)
        photo = photos.read_photo(session, tenant(), library_id, photo_id)
        before, after = neighbours(session, library, int(photo_id))
        history = history_of(session, int(photo_id))
    pictures = look_at(tenant(), library_id, [int(photo_id)])
    return page(
        "libraries/photo.html",
        library=shown_library(library),
        before=before,
        after=after,
        pictures=pictures,
        wanted=still_wanted(pictures),
        **_said(photo, history),
    )


@blueprint.post("/libraries/<id:library_id>/photos/<photo_id>/labels")
def edit_labels(library_id: str, photo_id: str) -> Response:
    form = request.form
    given = [label.strip() for label in form.get("add", "").split(",")]
    edits = LabelEditsRequest(add=[label for label in given if label], remove=form.getlist("remove"))
    edits.check()
    with services().database.write() as session:
        view = photos.edit_labels(session, tenant(), library_id, photo_id, edits)
        check_total(view["labels"])
    return _changed(library_id, photo_id)


@blueprint.post("/libraries/<id:library_id>/photos/<photo_id>/caption")
def edit_caption(library_id: str, photo_id: str) -> Response:
    text = request.form.get("text", "").replace("\r\n", "\n")
    edit = CaptionEditRequest(text=text if "give_back" not in request.form and text.strip() else None)
    edit.check()
    with services().database.write() as session:
        photos.edit_caption(session, tenant(), library_id, photo_id, edit)
    return _changed(library_id, photo_id)


def _changed(library_id: str, photo_id: str) -> Response:
    services().doorbell.wake()  # its sidecar is to be written
    if not is_htmx():
        return see_other(f"/libraries/{library_id}/photos/{photo_id}")
    with services().database.read() as session:
        library = find_library(session, tenant(), library_id)
        photo = photos.read_photo(session, tenant(), library_id, photo_id)
        history = history_of(session, int(photo_id))
    return page("libraries/said.html", library=shown_library(library), **_said(photo, history))


def _said(photo: dict[str, Any], history: list[Any]) -> dict[str, Any]:
    """What stands at a photo, by who said it."""
    labels = photo["labels"]
    models = [label for label in labels if label["by"] == "model"]
    return {
        "photo": photo,
        "people": [label for label in labels if label["by"] == "person"],
        "models": models[:MANY],
        "more": models[MANY:],
        "sure": SURE,
        "history": history,
    }
