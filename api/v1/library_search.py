"""Searching a library by words."""

from __future__ import annotations

from flask import Blueprint, Response, request

from api.document import parameters
from api.document.library_answers import FoundPage
from api.document.operations import Answer, Operation, Parameter, describe
from api.http.answers import answer
from api.http.auth import caller
from api.http.cursors import OFFSETS, from_offset, read_offset
from api.http.queries import int_parameter, text_parameter
from api.services import services
from api.v1.library_views import with_times
from core.errors import RequestError
from libraries.search import MAX_QUERY

blueprint = Blueprint("library_search", __name__)
MOST, USUAL = 500, 50


@blueprint.get("/v1/libraries/<id:library_id>/search")
@describe(
    Operation(
        "Search a library by words",
        "library photos",
        {200: Answer("A page, the best first; every photo with an embedding has its place.", FoundPage)},
        description="`q=red car on a beach` ranks the photos by what the tagger sees in them. It needs `tag` among the "
        "library's tasks and a live worker, which reads the words.",
        parameters=(
            Parameter("q", {"type": "string", "minLength": 1, "maxLength": MAX_QUERY}, "The words.", required=True),
            parameters.limit(MOST, USUAL),
            parameters.cursor(OFFSETS),
        ),
        problems=("library_not_found", "search_needs_tag", "parameter_invalid", "no_live_worker"),
    )
)
def index(library_id: str) -> Response:
    limit = int_parameter(request.args, "limit", 1, MOST, USUAL)
    offset = read_offset(request.args.get("cursor"))
    words = text_parameter(request.args, "q", MAX_QUERY)
    if words is None:
        raise RequestError("parameter_invalid", "Say what to look for: ?q=red car on a beach", where="q")
    found = services().search.search(caller().tenant_id, library_id, words, limit=limit + 1, offset=offset)
    more = from_offset(offset + limit) if len(found) > limit else None
    return answer({"data": [with_times(photo) for photo in found[:limit]], "next_cursor": more})
