"""One library: how its nights went, what the last one changed, and its photos."""

from __future__ import annotations

from flask import Response, request

from api.http.queries import int_parameter, numbers_parameter
from api.pages.frame.page import PageBlueprint, is_htmx, page
from api.pages.libraries.library_gallery import SURE, Wish, gallery
from api.pages.libraries.library_pictures import look_at, still_wanted
from api.pages.libraries.library_shown import shown_library, shown_run, tenant
from api.pages.libraries.library_words import KINDS, PHOTO_STATES, WHAT
from api.pages.libraries.nights_chart import nights_chart
from api.services import services
from db.libraries import find_library
from db.library_browsing import figures_of, last_nights
from libraries.changes import list_changes
from libraries.photos import label_counts

blueprint = PageBlueprint("library_home")
NIGHTS = 30
FEW_CHANGES = 12
FACETS, MOST_FACETS = 40, 400
MOST_PICTURES, MOST_ROUNDS = 200, 40


@blueprint.get("/libraries/<id:library_id>")
def show(library_id: str) -> Response:
    wish = Wish.of(request.args)
    with services().database.read() as session:
        library = find_library(session, tenant(), library_id)
        figures = figures_of(session, [library])[library.number]
        nights = [shown_run(session, library, run) or {} for run in last_nights(session, library, NIGHTS)]
        going = shown_run(session, library, figures.going)
        last = nights[-1] if nights else None
        mine = (tenant(), library_id)
        shown_night = last["id"] if last and wish.is_any else None
        changes = list_changes(session, *mine, shown_night, limit=FEW_CHANGES, least=SURE) if shown_night else []
        shown = {**shown_library(library), "failed": figures.failed}
    found = gallery(*mine, wish)
    numbers = [int(photo["id"]) for photo in found.photos]
    changed = [change for _, change in changes]
    pictures = look_at(*mine, [*numbers, *(int(one["photo_id"]) for one in changed if one["photo_id"])])
    return page(
        "libraries/home.html",
        library=shown,
        going=going,
        last=last,
        chart=nights_chart(nights, NIGHTS),
        changes=changed,
        wish=wish,
        gallery=found,
        pictures=pictures,
        wanted=still_wanted(pictures),
        kinds=KINDS,
        states=PHOTO_STATES,
        what=WHAT,
    )


@blueprint.get("/libraries/<id:library_id>/progress")
def progress(library_id: str) -> Response:
    """The run that goes on, or the whole page anew once it is over."""
    with services().database.read() as session:
        library = find_library(session, tenant(), library_id)
        going = shown_run(session, library, figures_of(session, [library])[library.number].going)
    if going is None:
        return Response(headers={"HX-Refresh": "true"})
    return page("libraries/progress.html", library=shown_library(library), going=going)


@blueprint.get("/libraries/<id:library_id>/labels")
def facets(library_id: str) -> Response:
    """How often each label stands in the library; counting takes a while, so the page asks for it apart."""
    wish = Wish.of(request.args)
    with services().database.read() as session:
        library = find_library(session, tenant(), library_id)
        counts = label_counts(session, tenant(), library_id, SURE)
    most = FACETS if is_htmx() else MOST_FACETS
    template = "libraries/facets.html" if is_htmx() else "libraries/labels.html"
    return page(template, library=shown_library(library), wish=wish, counts=counts[:most], left=len(counts) - most)


@blueprint.get("/libraries/<id:library_id>/pictures")
def pictures(library_id: str) -> Response:
    """The pictures that have come meanwhile, each for its place on the page."""
    numbers = numbers_parameter(request.args, "photos", MOST_PICTURES)
    rounds = int_parameter(request.args, "round", 0, 1_000, 0)
    found = look_at(tenant(), library_id, numbers)
    wanted = still_wanted(found) if rounds < MOST_ROUNDS else []
    come = {photo: one for photo, one in found.items() if photo not in wanted}
    return page(
        "libraries/pictures.html", library_id=library_id, come=come, wanted=wanted, round=rounds + 1,
        given_up=rounds >= MOST_ROUNDS,
    )  # fmt: skip
