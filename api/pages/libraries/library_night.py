"""Runs of a library: all of them, and what one changed, photo by photo; starting, stopping and undoing."""

from __future__ import annotations

from contextlib import suppress

from flask import Response, request

from api.http.cursors import after_number, before_id, read_id, read_number
from api.http.queries import choice_parameter
from api.pages.frame.page import PageBlueprint, onwards, page
from api.pages.libraries.library_forms import run_fields
from api.pages.libraries.library_gallery import SURE
from api.pages.libraries.library_pictures import look_at, still_wanted
from api.pages.libraries.library_shown import shown_library, tenant
from api.pages.libraries.library_words import KINDS, WHAT
from api.services import services
from core.errors import Conflict
from core.states import RunState
from db.libraries import find_library
from libraries import runs
from libraries.changes import list_changes

blueprint = PageBlueprint("library_night")
PER_PAGE = 48


@blueprint.get("/libraries/<id:library_id>/runs/<id:run_id>")
def show(library_id: str, run_id: str) -> Response:
    kind = choice_parameter(request.args, "kind", tuple(KINDS)) if request.args.get("kind") else None
    after = read_number(request.args.get("cursor"))
    mine = (tenant(), library_id, run_id)
    with services().database.read() as session:
        library = shown_library(find_library(session, tenant(), library_id))
        run = runs.read_run(session, *mine)
        found = list_changes(session, *mine, limit=PER_PAGE + 1, after=after, kind=kind, least=SURE)
    changes = [change for _, change in found[:PER_PAGE]]
    pictures = look_at(tenant(), library_id, [int(one["photo_id"]) for one in changes if one["photo_id"]])
    return page(
        "libraries/night.html",
        library=library,
        run=run,
        finished=RunState(run["state"]).finished,
        changes=changes,
        kind=kind,
        kinds=KINDS,
        beginning=not after,
        cursor=after_number(found[PER_PAGE - 1][0]) if len(found) > PER_PAGE else None,
        pictures=pictures,
        wanted=still_wanted(pictures),
    )


@blueprint.get("/libraries/<id:library_id>/runs")
def index(library_id: str) -> Response:
    """All runs, newest first, dry ones and failed ones too."""
    before = read_id(request.args.get("cursor"))
    with services().database.read() as session:
        library = shown_library(find_library(session, tenant(), library_id))
        found = runs.page_runs(session, tenant(), library_id, limit=PER_PAGE + 1, before=before)
    return page(
        "libraries/runs.html",
        library=library,
        runs=found[:PER_PAGE],
        what=WHAT,
        beginning=before is None,
        cursor=before_id(found[PER_PAGE - 1]["id"]) if len(found) > PER_PAGE else None,
    )


@blueprint.post("/libraries/<id:library_id>/runs")
def start(library_id: str) -> Response:
    fields = run_fields()
    with services().database.write() as session:
        run = runs.start_run(session, tenant(), library_id, fields)
    services().doorbell.wake()
    return onwards(f"/libraries/{library_id}/runs/{run['id']}" if fields.dry_run else f"/libraries/{library_id}")


@blueprint.post("/libraries/<id:library_id>/runs/<id:run_id>/cancel")
def cancel(library_id: str, run_id: str) -> Response:
    with suppress(Conflict), services().database.write() as session:  # it has ended meanwhile, as the page will show
        runs.cancel_run(session, tenant(), library_id, run_id)
    return onwards(f"/libraries/{library_id}/runs/{run_id}")


@blueprint.get("/libraries/<id:library_id>/runs/<id:run_id>/undo")
def ask(library_id: str, run_id: str) -> Response:
    """Whether it is meant."""
    with services().database.read() as session:
        library = shown_library(find_library(session, tenant(), library_id))
        run = runs.read_run(session, tenant(), library_id, run_id)
    return page("libraries/undo.html", library=library, run=run)


@blueprint.post("/libraries/<id:library_id>/runs/<id:run_id>/undo")
def undo(library_id: str, run_id: str) -> Response:
    with services().database.write() as session:
        runs.undo_run(session, tenant(), library_id, run_id)
    services().doorbell.wake()  # sidecars are written anew
    return onwards(f"/libraries/{library_id}/runs/{run_id}")


@blueprint.get("/libraries/<id:library_id>/runs/<id:run_id>/progress")
def progress(library_id: str, run_id: str) -> Response:
    """How far the run is; the whole page anew once it is over."""
    with services().database.read() as session:
        library = shown_library(find_library(session, tenant(), library_id))
        run = runs.read_run(session, tenant(), library_id, run_id)
    if RunState(run["state"]).finished:
        return Response(headers={"HX-Refresh": "true"})
    return page("libraries/progress.html", library=library, going=run, alone=True)
