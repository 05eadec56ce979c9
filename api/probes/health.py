"""Is the process up, and can it do its work?"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Response

from api.document.operations import Answer, Operation, describe
from api.document.schemas import Health, Readiness
from api.http.answers import answer
from api.http.auth import OpenBlueprint
from api.services import services
from core.errors import ArtefactError
from db.engine import NotMigrated, Unavailable
from db.workers import count_alive, warm_models

blueprint = OpenBlueprint("health", __name__)
OK = "ok"


@blueprint.get("/healthz")
@describe(Operation("Is the process up?", "operations", {200: Answer("Yes.", Health)}))
def healthz() -> Response:
    return answer({"status": OK})


@blueprint.get("/readyz")
@describe(
    Operation(
        "Can it do its work?",
        "operations",
        {200: Answer("Yes.", Readiness), 503: Answer("No; see which check fails.", Readiness)},
    )
)
def readyz() -> Response:
    checks = readiness()
    ready = all(state == OK for state in checks.values())
    return answer({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)


def readiness() -> dict[str, str]:
    """Each of what work needs, and `OK` or what is wrong with it."""
    checks = {"database": OK, "worker": OK, "broker": OK, "models": OK}
    warm: tuple[str, ...] = ()
    try:
        with services().database.read() as session:
            warm = warm_models(session)
            if not count_alive(session):
                checks["worker"] = "no worker was seen within the last 30 seconds"
    except NotMigrated:
        checks["database"] = "not migrated; run `tagline migrate`"
        checks["worker"] = "unknown"
    except Unavailable:
        checks["database"] = "does not answer"
        checks["worker"] = "unknown"
    if not services().doorbell.alive():
        checks["broker"] = "does not answer"
    checks["models"] = _models(warm)
    return checks


def _models(warm: Sequence[str]) -> str:
    """Whether every task that has a default can be promised a model: the default, or the one that serves meanwhile."""
    catalogue = services().catalogue
    try:
        tasks = catalogue.defaults()
    except ArtefactError as error:
        return OK if warm else error.code
    if not tasks:
        return "no model is installed as a default"
    for task in tasks:
        try:
            catalogue.resolve(task, None, warm)
        except ArtefactError as error:
            return f"{task} has no usable model ({error.code})"
    return OK
