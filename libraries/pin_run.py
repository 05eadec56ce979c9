"""The beginning of a run: which models it runs with, and so what its photos are to be made with."""

from __future__ import annotations

from collections.abc import Mapping

from core.artefacts.catalogue import Catalogue
from core.artefacts.variants import joint_name
from core.errors import ArtefactError, RequestError
from core.states import RunStage, RunState
from db.engine import Session
from db.ledger import find_recipes, find_spec, with_variants
from db.library_ends import end_run
from db.library_runs import enter_stage
from db.library_tables import Library, LibraryRun
from db.workers import running_variants, warm_models
from jobs.pin import pin_models
from libraries.checks import filled_options


def pin_run(session: Session, library: Library, run: LibraryRun, catalogue: Catalogue, *, apart: bool = False) -> bool:
    """Pin a run that is locked to models, options and source as they are now, and let it be listed.

    A default is the one that live workers serve; a new default therefore makes photos stale, unless the library pins a
    version.

    Args:
        apart: photos are made with the variants that live workers run, too; another variant makes them stale.

    Returns:
        False if nobody knows yet what to pin it to: of a model with variants no worker is alive.
    """
    if library.source is None:
        end_run(session, run, RunState.SOURCE_FAILED, code="source_missing", message="The library has no source.")
        return True
    try:
        models = pin_models(library.tasks, library.models, catalogue, warm_models(session))
        options = filled_options(library.tasks, library.options)
        named = _with_running_variants(session, models, catalogue) if apart else models
    except (RequestError, ArtefactError) as error:
        end_run(session, run, RunState.FAILED, code=error.code, message=error.message)
        return True
    if named is None:
        return False
    recipes = find_recipes(session, library.tenant_id, library.tasks, named, options)
    run.models, run.spec = models, find_spec(session, library.tenant_id, recipes.values())
    run.source = {**library.source, **({"edition": library.manifest} if "manifest" in library.source else {})}
    enter_stage(run, RunStage.LIST)
    return True


def _with_running_variants(
    session: Session, models: Mapping[str, str], catalogue: Catalogue
) -> Mapping[str, str] | None:
    """Models by task, each with the variant of what it and its encoder run in; None where no live worker says it."""
    running, found = running_variants(session), {}
    for task, model in models.items():
        manifest = catalogue.find(model).manifest
        assert manifest is not None
        behind = [catalogue.find(encoder).manifest for encoder in manifest.encoders.values()]
        several = [one for one in (*behind, manifest) if one is not None and one.variants]
        if not all(one.id in running for one in several):
            return None
        # Of workers that run different ones, each photo is of one or the other.
        found[task] = joint_name(",".join(sorted(running[one.id])) for one in several)
    return with_variants(models, found)
