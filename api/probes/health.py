"""Is the process up, and can it do its work?"""

from __future__ import annotations

from flask import Response

from api.document.operations import Answer, Operation, describe
from api.document.schemas import Health, Readiness
from api.http.answers import answer
from api.http.auth import OpenBlueprint
from api.services import services
from db.engine import NotMigrated, Unavailable
from db.workers import count_alive

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
    checks = {"database": OK, "worker": OK, "broker": OK}
    try:
        with services().database.read() as session:
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
    ready = all(state == OK for state in checks.values())
    return answer({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)
