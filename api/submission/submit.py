"""Submitting: from a request's body to a job and its chunks, all of it or nothing.

The body is parsed while it is read and its chunks lie in a temporary file; only after the last line does one
short transaction write everything. A slow upload therefore locks nothing, and a broken one leaves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from pydantic import Field

from api.services import Services
from api.submission.body import Body
from api.submission.inputs import parse_input
from api.submission.key_lock import BEFORE_STORING_S, KeyLock
from api.submission.lines import read_inputs
from api.submission.query_and_body import check_overruled, filled_in
from api.submission.query_fields import fields_of_query
from api.submission.spool import Spool
from core.errors import Conflict, NotFound, RequestError
from core.folders.roots import FolderRoots
from core.inputs import InputItem, cut_chunks
from core.strict_json import loads_body
from db import idempotency
from db.engine import Session
from db.jobs import job_version
from db.keys import Caller
from db.tables import Job
from db.uploads import missing_uploads
from jobs.fields import JobFields, read_fields
from jobs.limits import within_limits
from jobs.orders import take_orders
from jobs.plan import JobPlan
from jobs.validate import plan_job

JSON = "application/json"
JobView = Callable[[Job], dict[str, Any]]
STREAM_ADVICE = "Send more as a stream: application/x-ndjson, text/csv or text/plain, any length."


class JobRequest(JobFields):
    """A submission as one JSON document."""

    inputs: list[Any] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Submission:
    """A request to make a job, its body still unread.

    Attributes:
        caller: who asks.
        content_type: JSON, or one of `api.submission.lines.PARSERS`.
        query: the query's parameters.
        body: holds the inputs; of a JSON submission everything.
        key: the Idempotency-Key, if there is one.
        base_url: where the caller reaches the API.
        view: called once the body has been read; how the caller sees the job. With a key the same view answers every
            repetition.
    """

    caller: Caller
    content_type: str
    query: list[tuple[str, str]]
    body: Body
    key: str | None
    base_url: str
    view: Callable[[], JobView]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The answer to a submission: the job's view, and whether it was given before."""

    view: dict[str, Any]
    replayed: bool


def submit(services: Services, submission: Submission) -> Accepted:
    """Make the job, or give the first answer again to a submission with the same Idempotency-Key.

    Raises:
        RequestError: the submission is refused, and nothing of it is stored.
    """
    if submission.key is None:
        return Accepted(_accept(services, submission, lock=None), replayed=False)
    lock = KeyLock(services.database, submission.caller.tenant_id, submission.key)
    known = lock.take()
    if known is not None:
        return Accepted(_replay(services, submission, known), replayed=True)
    submission.body.on_block = lock.renew
    try:
        return Accepted(_accept(services, submission, lock), replayed=False)
    except BaseException:
        lock.release()
        raise


def _replay(services: Services, submission: Submission, known: idempotency.Known) -> dict[str, Any]:
    for _ in submission.body.blocks():
        pass
    if _fingerprint(submission) != known.fingerprint:
        message = "This Idempotency-Key was used for another submission; use a new key for each one."
        raise RequestError("idempotency_key_reused", message, where="Idempotency-Key")
    try:
        with services.database.read() as session:
            job_version(session, submission.caller.tenant_id, known.job_id)
    except NotFound:
        message = "The job made under this Idempotency-Key was removed; use a new key to submit it again."
        raise Conflict("idempotency_key_spent", message, where="Idempotency-Key") from None
    return known.response


def _accept(services: Services, submission: Submission, lock: KeyLock | None) -> dict[str, Any]:
    with Spool(services.settings.data_dir) as spool:
        if submission.content_type == JSON:
            plan = _read_json(services, submission, spool)
        else:
            plan = _read_stream(services, submission, spool)
        view = submission.view()
        if lock is None:
            return _store(services, view, plan, spool)
        lock.renew(BEFORE_STORING_S)
        complete = partial(lock.complete, fingerprint=_fingerprint(submission))
        return _store(services, view, plan, spool, complete)


def submit_document(
    services: Services, caller: Caller, base_url: str, given: Mapping[str, Any], view: JobView
) -> dict[str, Any]:
    """Make a job of what the body of a JSON submission would hold, for a caller inside the API; its view.

    Raises:
        RequestError: the submission is refused, and nothing of it is stored.
    """
    with Spool(services.settings.data_dir) as spool:
        plan = _read_document(services, caller, base_url, given, spool)
        return _store(services, view, plan, spool)


def _read_json(services: Services, submission: Submission, spool: Spool) -> JobPlan:
    data = submission.body.read_all(services.settings.max_json_bytes, "body_too_large", STREAM_ADVICE)
    given, who = loads_body(data), (services, submission.caller, submission.base_url)
    if not (isinstance(given, dict) and submission.query):
        return _read_document(*who, given, spool)
    query = fields_of_query(submission.query)
    plan = _read_document(*who, filled_in(query, given), spool)
    check_overruled(query, given, plan.tasks, partial(_plan, *who))
    return plan


def _read_document(services: Services, caller: Caller, base_url: str, given: object, spool: Spool) -> JobPlan:
    settings = services.settings
    request = read_fields(JobRequest, given)
    plan = _plan(services, caller, base_url, request)
    check_path = FolderRoots.of(settings).in_a_row()
    parsed = [parse_input(v, seq, plan.medium, f"/inputs/{seq}", check_path) for seq, v in enumerate(request.inputs)]
    _check_uploads(services, caller, parsed)
    spool.fill(cut_chunks(within_limits(parsed, plan, settings), settings.chunk_of(plan.medium)))
    return plan


def _read_stream(services: Services, submission: Submission, spool: Spool) -> JobPlan:
    settings = services.settings
    fields = fields_of_query(submission.query)
    if "tasks" not in fields:
        raise RequestError("field_missing", "Say in the query what to do: ?tasks=classify", where="tasks")
    plan = _plan(services, submission.caller, submission.base_url, read_fields(JobFields, fields))
    blocks, check_path = submission.body.blocks(), FolderRoots.of(settings).in_a_row()
    items = read_inputs(submission.content_type, blocks, plan.medium, check_path)
    spool.fill(cut_chunks(within_limits(items, plan, settings), settings.chunk_of(plan.medium)))
    if not spool.items and not spool.prefixes:
        raise RequestError("inputs_empty", "The body holds no input.")
    return plan


def _plan(services: Services, caller: Caller, base_url: str, fields: JobFields) -> JobPlan:
    warm = services.warm_models()
    return plan_job(fields, services.catalogue, warm, tenant_id=caller.tenant_id, base_url=base_url)


def _check_uploads(services: Services, caller: Caller, items: list[InputItem]) -> None:
    """Refuse unknown uploads at once. Only of JSON submissions, which are small: in a stream the item fails, later."""
    places = {item.ref: item.seq for item in reversed(items) if item.kind == "upload"}
    ids = list(places)
    for start in range(0, len(ids), 500):
        with services.database.read() as session:
            missing = missing_uploads(session, caller.tenant_id, ids[start : start + 500])
        if missing:
            first = min(missing, key=lambda ref: places[ref])
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            message = f"You have no upload {first}{more}; POST /v1/uploads gives ids."
            raise RequestError("upload_unknown", message, where=f"/inputs/{places[first]}/upload")


def _store(
    services: Services,
    view_of: JobView,
    plan: JobPlan,
    spool: Spool,
    stored: Callable[[Session, dict[str, Any]], None] = lambda session, view: None,
) -> dict[str, Any]:
    """Write the job; `stored` is called in the same transaction."""
    with take_orders(services.database, services.doorbell, services.settings) as orders:
        job = orders.create(plan, spool.read(), spool.items, spool.prefixes)
        view = view_of(job)
        stored(orders.session, view)
    services.metrics.inputs.labels(view["priority"]).inc(spool.items)
    return view


def _fingerprint(submission: Submission) -> str:
    query = [f"{name}={value}" for name, value in sorted(submission.query)]
    return submission.body.digest(submission.content_type, *query)
