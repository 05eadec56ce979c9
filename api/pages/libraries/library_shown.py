"""What several pages of libraries need: the library as they show it, and where a form leads."""

from __future__ import annotations

from typing import Any

from api.http.auth import caller
from api.pages.libraries.library_words import source_words
from api.services import base_url, services
from db.engine import Session
from db.library_ends import count_run
from db.library_tables import Library, LibraryRun
from libraries.manage import Surroundings
from libraries.views import library_view, run_view


def shown_library(library: Library) -> dict[str, Any]:
    """A library for a template."""
    kind, place = source_words(library.source)
    return {**library_view(library), "kind": kind, "place": place, "present": library.present}


def shown_run(session: Session, library: Library, run: LibraryRun | None) -> dict[str, Any] | None:
    """A run for a template, as the API shows it."""
    return None if run is None else run_view(library.id, run, count_run(session, run))


def surroundings() -> Surroundings:
    """What a library's fields are checked against."""
    return Surroundings(services().settings, services().catalogue, services().warm_models(), base_url())


def tenant() -> str:
    """Whose pages these are."""
    return caller().tenant_id
