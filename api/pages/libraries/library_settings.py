"""The settings of a library, and giving it up."""

from __future__ import annotations

from flask import Response

from api.pages.frame.page import PageBlueprint, onwards, page
from api.pages.libraries.library_choices import form_choices
from api.pages.libraries.library_forms import library_patch, schedule_form
from api.pages.libraries.library_shown import shown_library, surroundings, tenant
from api.services import services
from db.libraries import find_library
from libraries.manage import delete_library, patch_library
from libraries.views import library_view

blueprint = PageBlueprint("library_settings")


@blueprint.get("/libraries/<id:library_id>/settings")
def show(library_id: str) -> Response:
    with services().database.read() as session:
        library = shown_library(find_library(session, tenant(), library_id))
    schedule = schedule_form(library["schedule"])
    return page("libraries/settings.html", library=library, schedule=schedule, choices=form_choices())


@blueprint.post("/libraries/<id:library_id>/settings")
def change(library_id: str) -> Response:
    around = surroundings()
    with services().database.write() as session:
        known = library_view(find_library(session, tenant(), library_id, lock=True))
        patch_library(session, tenant(), library_id, library_patch(known), around)
    return onwards(f"/libraries/{library_id}")


@blueprint.get("/libraries/<id:library_id>/delete")
def ask(library_id: str) -> Response:
    """Whether it is meant: this cannot be undone."""
    with services().database.read() as session:
        return page("libraries/delete.html", library=shown_library(find_library(session, tenant(), library_id)))


@blueprint.post("/libraries/<id:library_id>/delete")
def delete(library_id: str) -> Response:
    with services().database.write() as session:
        delete_library(session, tenant(), library_id)
    return onwards("/libraries")
