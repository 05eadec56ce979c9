"""One input, answered at once if that is quick: for forms, scripts and people at a terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from werkzeug.exceptions import MethodNotAllowed

from api.document import parameters
from api.document.operations import Answer, Operation, describe
from api.document.schemas import JobView, ResultView
from api.http.answers import answer
from api.http.auth import caller
from api.http.long_polls import wanted_wait
from api.http.scopes import needs
from api.http.waits import waited
from api.services import base_url, services
from api.submission.body import Body, media_type_of
from api.submission.form_file import FILE_SCHEMA, FORM, form_file
from api.submission.inputs import LIMITS, MAX_TEXT
from api.submission.keep_upload import keep_upload
from api.submission.one_input import order_one, plan_one, read_one
from api.v1.one_answer import ask_one, take_answer
from api.v1.views import job_view
from core.errors import ItemError, RequestError
from core.inputs import InputItem
from core.scopes import Scope
from core.tasks import Medium
from db.tables import Job
from jobs.plan import JobPlan

blueprint = Blueprint("predict", __name__)
WAIT_S = 10
POLL_AFTER_S = "2"
TEXT = "text/plain"
KINDS = tuple(kind for kind in LIMITS if kind != "s3_prefix")  # below a prefix there may be any number
ANSWERS = {
    200: Answer("The result, as `/v1/jobs/ID/results` shows it.", ResultView, headers=("Preference-Applied",)),
    202: Answer("Not done yet: the job that it has become.", JobView, headers=("Location", "Preference-Applied")),
}
TOLD = (
    "Waits for `Prefer: wait=N` seconds, by default 10. An input that fails is answered with 422 and its own code "
    "(`fetch_http_404`, `image_truncated`, ...); `permanent` says whether the same will fail again. What was answered "
    "leaves no job behind; what was not is a job like any other."
)
PROBLEMS = (
    "field_missing", "parameter_invalid", "unknown_task", "tasks_mixed", "input_invalid", "model_unavailable",
    "too_many_waiting", "database_unavailable",
)  # fmt: skip


@blueprint.get("/v1/predict")
@needs(Scope.SUBMIT)
@describe(
    Operation(
        "Ask about one input",
        "predict",
        ANSWERS,
        description=f"Give exactly one of {', '.join(KINDS)}. {TOLD}",
        parameters=(*parameters.PREDICT_QUERY, *parameters.ONE_INPUT, parameters.PREFER),
        problems=PROBLEMS,
    )
)
def ask() -> Response:
    if request.method == "HEAD":
        raise MethodNotAllowed(["GET", "POST"])  # a job whose result nobody would see
    given = [kind for kind in KINDS if kind in request.args]

    def named(plan: JobPlan) -> InputItem:
        if len(given) != 1:
            found = f", not {' and '.join(given)}" if given else ""
            raise RequestError("input_invalid", f"Give exactly one of {', '.join(KINDS)}{found}.", where="query")
        return read_one(services(), plan, given[0], request.args[given[0]])

    return _predict(named)


@blueprint.post("/v1/predict")
@needs(Scope.SUBMIT)
@describe(
    Operation(
        "Ask about a photo or a text that you send",
        "predict",
        ANSWERS,
        description=f"A photo as the field `file` of a form or as the body itself; a text as the body. {TOLD} A photo "
        "is kept as an upload.",
        parameters=(*parameters.PREDICT_QUERY, parameters.PREFER),
        body={FORM: FILE_SCHEMA, "image/*": {"type": "string", "format": "binary"},
              TEXT: {"type": "string", "maxLength": MAX_TEXT}},
        problems=(*PROBLEMS, "unsupported_media_type", "upload_too_large", "request_timeout"),
    )
)  # fmt: skip
def send() -> Response:
    return _predict(_sent)


def _predict(read: Callable[[JobPlan], InputItem]) -> Response:
    before = waited()
    if before is not None:
        return _answer(before.note)
    tenant_id, wanted = caller().tenant_id, wanted_wait()
    plan = plan_one(services(), tenant_id, request.args, base_url())
    item = read(plan)
    seconds = WAIT_S if wanted is None else wanted
    if not seconds:
        return _later(_view(order_one(services(), plan, item)))
    return ask_one(plan, item, seconds)


def _sent(plan: JobPlan) -> InputItem:
    """What the body holds."""
    if request.mimetype == TEXT:
        _check_medium(plan, "text")
        media_type_of((TEXT,))
        text = Body(request.environ).read_all(MAX_TEXT * 4, "body_too_large", "Cut the text.")
        try:
            return read_one(services(), plan, "text", text.decode())
        except UnicodeDecodeError as error:
            raise RequestError("input_invalid", f"The text is not UTF-8 at byte {error.start}.", where="body") from None
    if request.mimetype.startswith("image/"):
        media_type_of((request.mimetype,))
        limit = services().settings.max_upload_bytes
        data = Body(request.environ).read_all(limit, "upload_too_large", "Make the image smaller.")
    elif request.mimetype == FORM:
        data = form_file()
    else:
        media_type_of((FORM, "image/*", TEXT))
    _check_medium(plan, "image")
    kept = keep_upload(services(), plan.tenant_id, data, where="file")
    return read_one(services(), plan, "upload", kept["id"])


def _check_medium(plan: JobPlan, medium: Medium) -> None:
    if plan.medium != medium:
        a, b = ("a photo", "a text") if plan.medium == "image" else ("a text", "a photo")
        raise RequestError("input_kind_mismatch", f"{', '.join(plan.tasks)}: send {a}, not {b}.", where="Content-Type")


def _answer(job_id: str) -> Response:
    job, found = take_answer(caller().tenant_id, job_id)
    if found is None:
        return _later(_view(job))
    error = found["error"]
    if error is not None:
        raise ItemError(error["code"], error["message"] or error["code"], permanent=bool(error["permanent"]))
    return _applied(answer(found))


def _view(job: Job) -> dict[str, Any]:
    return job_view(job, base_url(), services().forecasts.seconds_left)


def _later(view: dict[str, Any]) -> Response:
    return _applied(answer(view, 202, Location=view["links"]["self"], Retry_After=POLL_AFTER_S))


def _applied(response: Response) -> Response:
    if wanted_wait() is not None:
        response.headers["Preference-Applied"] = f"wait={wanted_wait()}"
    return response
