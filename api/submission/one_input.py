"""A job of one input whose fields stand in the query: checked, then ordered like any other job."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from api.services import Services
from api.submission.inputs import parse_input
from api.submission.query_fields import fields_of_query
from core.errors import ManyErrors, RequestError
from core.folders.roots import FolderRoots
from core.inputs import InputItem, cut_chunks
from db.tables import Job
from db.uploads import missing_uploads
from jobs.fields import JobFields, read_fields
from jobs.orders import take_orders
from jobs.plan import JobPlan
from jobs.validate import plan_job

ONE_OF = {"task": "tasks", "model": "models"}  # a parameter for one task, and what it is short for
NAME = "predict"


def plan_one(services: Services, tenant_id: str, query: Mapping[str, str], base_url: str) -> JobPlan:
    """What the query asks for: an interactive job.

    Args:
        query: `task` or `tasks`, `model` or `models`, `options`, `reuse`.

    Raises:
        RequestError: with the name of the parameter.
        ArtefactError: a model cannot be used.
    """
    if "task" in query and "tasks" in query:
        raise RequestError("parameter_invalid", "Give task or tasks, not both.", where="task")
    given = {name: query[name] for name in ("tasks", "models", "options", "reuse") if name in query}
    if "task" in query:
        given["tasks"] = query["task"]
    if "tasks" not in given:
        raise RequestError("field_missing", "Say what to do: ?task=language", where="task")
    fields = fields_of_query(list(given.items()))
    if "model" in query:
        if len(fields["tasks"]) > 1:
            message = 'For several tasks write models={"TASK": "NAME"}.'
            raise RequestError("parameter_invalid", message, where="model")
        if fields.get("models"):
            raise RequestError("parameter_invalid", "Give model or models, not both.", where="model")
        fields["models"] = {fields["tasks"][0]: query["model"]}
    with _named_as_in(query):
        asked = read_fields(JobFields, {**fields, "priority": "interactive", "name": NAME})
        return plan_job(asked, services.catalogue, services.warm_models(), tenant_id=tenant_id, base_url=base_url)


def read_one(services: Services, plan: JobPlan, kind: str, ref: str) -> InputItem:
    """The input.

    Args:
        kind: one of `LIMITS`; also the parameter's name, for errors.

    Raises:
        RequestError: it cannot be one of these tasks.
    """
    item = parse_input({kind: ref}, 0, plan.medium, kind, FolderRoots.of(services.settings).in_a_row())
    if item.kind == "upload":
        with services.database.read() as session:
            missing = missing_uploads(session, plan.tenant_id, [item.ref])
        if missing:
            message = f"You have no upload {item.ref}; POST /v1/uploads gives ids."
            raise RequestError("upload_unknown", message, where=kind)
    return item


def order_one(services: Services, plan: JobPlan, item: InputItem) -> Job:
    """Make the job and ring the workers."""
    with take_orders(services.database, services.doorbell, services.settings) as orders:
        job = orders.create(plan, cut_chunks([item], 1), 1)
    services.metrics.inputs.labels("interactive").inc()
    return job


@contextmanager
def _named_as_in(query: Mapping[str, str]) -> Iterator[None]:
    """Errors name a field of a job by a JSON pointer; whoever wrote a query knows the parameter."""
    try:
        yield
    except RequestError as error:
        for one in (error, *(error.errors if isinstance(error, ManyErrors) else ())):
            one.where = _parameter(one.where, query)
        raise


def _parameter(where: str | None, query: Mapping[str, str]) -> str | None:
    for short, long in ONE_OF.items():
        if where is not None and where.split("/")[1:2] == [long] and short in query:
            return short
    return where
