"""What a submission says of the job, as options of the command."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from cli.terminal import Failure

Command = TypeVar("Command", bound=Callable[..., Any])
_RANKED = ("classify", "tag")  # tasks that --top-k is for
_OPTIONS = (
    click.option("--tasks", required=True, help="classify,caption,tag of images; sentiment,language,spam of a list."),
    click.option("--name", help="A name for the job."),
    click.option("--webhook", metavar="URL", help="Where to send a signed message at the end."),
    click.option("--top-k", type=click.IntRange(1, 1000), help="Labels for each photo."),
    click.option("--options", metavar="JSON", help='Options by task: \'{"tag": {"vocabulary": ["cat", "dog"]}}\'.'),
    click.option("--model", "models", metavar="TASK=NAME", multiple=True, help="Another model than the usual one."),
    click.option("--reuse", is_flag=True, help="Do not run photos again whose bytes are known."),
    click.option("--priority", type=click.Choice(["interactive", "bulk"]), help="By default the size decides."),
)


def job_options(command: Command) -> Command:
    """Give a command the options that `job_fields` takes."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def job_fields(
    *,
    tasks: str,
    name: str | None,
    webhook: str | None,
    top_k: int | None,
    options: str | None,
    models: Sequence[str],
    priority: str | None,
    reuse: bool = False,
) -> dict[str, Any]:
    """The fields of a submission (POST /v1/jobs) but for its inputs; those that were not given are left out.

    Raises:
        Failure: an option cannot be read; exit code 2. Whether it makes sense is the server's to say.
    """
    names = [task.strip() for task in tasks.split(",") if task.strip()]
    fields: dict[str, Any] = {
        "tasks": names,
        "name": name,
        "priority": priority,
        "reuse": reuse,
        "options": _task_options(options, {task: top_k for task in names if task in _RANKED} if top_k else {}),
        "models": dict(_model(one) for one in models),
        "webhook": {"url": webhook} if webhook else None,
    }
    fields = {field: value for field, value in fields.items() if value}
    try:
        json.dumps(fields, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Failure("an option is not UTF-8", 2) from None
    return fields


def as_query(fields: dict[str, Any]) -> dict[str, str]:
    """The fields as the query of a streamed submission."""
    query = {name: value for name, value in fields.items() if isinstance(value, str)}
    query["tasks"] = ",".join(fields["tasks"])
    query |= {name: json.dumps(fields[name]) for name in ("options", "models") if name in fields}
    if "reuse" in fields:
        query["reuse"] = "true"
    if "webhook" in fields:
        query["webhook_url"] = fields["webhook"]["url"]
    return query


def _task_options(text: str | None, top_k: dict[str, int]) -> dict[str, Any]:
    given: Any = {}
    if text:
        try:
            given = json.loads(text)
        except ValueError as error:
            raise Failure(f"--options is not JSON: {error}", 2) from None
    if not isinstance(given, dict) or not all(isinstance(value, dict) for value in given.values()):
        raise Failure('--options is an object for each task: {"tag": {"top_k": 20}}', 2)
    return {**given, **{task: {"top_k": most, **given.get(task, {})} for task, most in top_k.items()}}


def _model(text: str) -> tuple[str, str]:
    task, equals, name = text.partition("=")
    if not (task and equals and name):
        raise Failure(f"--model {text}: write TASK=NAME, as language=language-conv", 2)
    return task, name
