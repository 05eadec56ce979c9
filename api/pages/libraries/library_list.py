"""All libraries, and the form that makes another one."""

from __future__ import annotations

from typing import Any

from flask import Response, request

from api.http.cursors import before_id, read_id
from api.pages.frame.page import PageBlueprint, onwards, page
from api.pages.libraries.library_choices import form_choices
from api.pages.libraries.library_forms import new_library, schedule_form
from api.pages.libraries.library_shown import shown_library, shown_run, surroundings, tenant
from api.services import services
from db.libraries import list_libraries
from db.library_browsing import figures_of
from libraries.manage import create_library

blueprint = PageBlueprint("library_list")
PER_PAGE = 25


@blueprint.get("/libraries")
def index() -> Response:
    before = read_id(request.args.get("cursor"))
    with services().database.read() as session:
        found = list_libraries(session, tenant(), limit=PER_PAGE + 1, before=before)
        figures = figures_of(session, found[:PER_PAGE])
        libraries = [
            {
                **shown_library(library),
                "failed": figures[library.number].failed,
                "last": shown_run(session, library, figures[library.number].last),
                "going": shown_run(session, library, figures[library.number].going),
            }
            for library in found[:PER_PAGE]
        ]
    return page(
        "libraries/list.html",
        libraries=libraries,
        beginning=before is None,
        cursor=before_id(libraries[-1]["id"]) if len(found) > PER_PAGE else None,
    )


@blueprint.get("/libraries/new")
def ask() -> Response:
    """The form for another one."""
    empty: dict[str, Any] = {
        "name": "", "tasks": ["caption", "tag"], "options": {}, "models": {}, "webhook": None, "write": "none",
        "write_threshold": 0.5, "source": None,
    }  # fmt: skip
    return page("libraries/new.html", library=empty, schedule=schedule_form(None), choices=form_choices())


@blueprint.post("/libraries")
def make() -> Response:
    fields, around = new_library(), surroundings()
    with services().database.write() as session:
        library = create_library(session, tenant(), fields, around)
    return onwards(f"/libraries/{library.id}")
