"""The beginning of a run: which models it runs with, and so what its photos are to be made with."""

from __future__ import annotations

from core.artefacts.catalogue import Catalogue
from core.errors import ArtefactError, RequestError
from core.states import RunStage, RunState
from db.engine import Session
from db.ledger import find_recipes, find_spec
from db.library_ends import end_run
from db.library_runs import enter_stage
from db.library_tables import Library, LibraryRun
from db.workers import warm_models
from jobs.pin import pin_models
from libraries.checks import filled_options


def pin_run(session: Session, library: Library, run: LibraryRun, catalogue: Catalogue) -> None:
    """Pin a run that is locked to models, options and source as they are now, and let it be listed.

    A default is the one that live workers serve; a new default therefore makes photos stale, unless the library pins a
    version.
    """
    if library.source is None:
        end_run(session, run, RunState.SOURCE_FAILED, code="source_missing", message="The library has no source.")
        return
    try:
        models = pin_models(library.tasks, library.models, catalogue, warm_models(session))
        options = filled_options(library.tasks, library.options)
    except (RequestError, ArtefactError) as error:
        end_run(session, run, RunState.FAILED, code=error.code, message=error.message)
        return
    recipes = find_recipes(session, library.tenant_id, library.tasks, models, options)
    run.models, run.spec = models, find_spec(session, library.tenant_id, recipes.values())
    run.source = {**library.source, **({"edition": library.manifest} if "manifest" in library.source else {})}
    enter_stage(run, RunStage.LIST)
