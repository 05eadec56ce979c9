"""`tagline library`: photo libraries that are looked at again and again."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from cli.client.arguments import LISTS
from cli.client.connection import Body, Client
from cli.client.job_fields import job_fields
from cli.client.json_option import json_option
from cli.client.library_fields import default_name, schedule_fields, source_fields
from cli.client.library_names import find_library, find_run, make, pages, path_of
from cli.client.library_words import library_table, schedule_of, source_of, what_it_did, what_it_met
from cli.client.patience_option import open_client, patience_option
from cli.client.problems import ApiProblem
from cli.terminal import Failure, clean, note, say, say_json

_BLOCK = 1024 * 1024
_ELSEWHERE = {
    **dict.fromkeys(("run", "runs", "cancel", "undo", "changes"), "cli.client.library_run_commands"),
    **dict.fromkeys(("photos", "search", "correct"), "cli.client.library_photo_commands"),
}
_ORDER = ("create", "list", "show", "run", "runs", "cancel", "changes", "photos", "search", "correct", "undo", "delete")


class _Group(click.Group):
    """A group some of whose commands are imported when they are called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_ORDER)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in _ELSEWHERE:
            command: click.Command = getattr(import_module(_ELSEWHERE[cmd_name]), cmd_name)
            return command
        return super().get_command(ctx, cmd_name)


@click.group("library", cls=_Group)
def library() -> None:
    """Photo libraries: looked at again every night, only what is new or changed is run, and your word stands.

    A library is named by its name or its id.
    """


@library.command("create")
@click.argument("source", metavar="FOLDER|s3://PREFIX|URL|LIST")
@click.option("--tasks", default="tag,caption", show_default=True, help="What to do with every photo.")
@click.option("--name", help="By default the last part of the source.")
@click.option("--nightly", metavar="HH:MM", help="Look at it every night at this time.")
@click.option("--cron", metavar="EXPRESSION", help='Or when a cron expression says: "0 2 * * 1-5".')
@click.option("--timezone", metavar="ZONE", help="Of these times; by default this machine's.")
@click.option("--window", metavar="HH:MM-HH:MM", help="Scheduled runs pause outside of it.")
@click.option("--write", type=click.Choice(["none", "sidecar"]), help="Write XMP beside the photos.")
@click.option("--write-threshold", type=click.FloatRange(0, 1), help="Labels below it are not written (0.5).")
@click.option("--webhook", metavar="URL", help="Where to send a signed message after each run.")
@click.option("--options", metavar="JSON", help='Options by task: \'{"tag": {"vocabulary": ["cat", "dog"]}}\'.')
@click.option("--model", "models", metavar="TASK=NAME", multiple=True, help="A model to stay with.")
@json_option
@patience_option
def create(
    source: str,
    tasks: str,
    name: str | None,
    nightly: str | None,
    cron: str | None,
    timezone: str | None,
    window: str | None,
    write: str | None,
    write_threshold: float | None,
    webhook: str | None,
    options: str | None,
    models: tuple[str, ...],
    as_json: bool,
    patience: float | None,
) -> None:
    """Make a library of a folder on the server, an S3 prefix, or a list of URLs; no run is started.

    A folder has to lie below those that the server was given: `tagline up --folders FOLDER`.
    """
    place, listed = source_fields(source)
    work = job_fields(
        tasks=tasks, name=name or default_name(source), webhook=webhook, top_k=None, options=options, models=models,
        priority=None,
    )  # fmt: skip
    schedule = schedule_fields(nightly, cron, timezone, window)
    more = {"source": place, "schedule": schedule, "write": write, "write_threshold": write_threshold}
    client = open_client(patience, interactive=True)
    try:
        made = make(client, "/v1/libraries", work | {key: value for key, value in more.items() if value is not None})
    except ApiProblem as problem:
        raise _explained(problem, place) from None
    if listed is not None:
        made = _send_list(client, made, listed)
    if as_json:
        say_json(made)
        return
    _show(made)
    note(f"`tagline library run {_quoted(made['name'])} --wait` runs it now")


def _send_list(client: Client, made: dict[str, Any], listed: Path) -> dict[str, Any]:
    def blocks() -> Iterator[bytes]:
        with listed.open("rb") as file:
            while block := file.read(_BLOCK):
                yield block

    headers = {"Content-Type": LISTS[listed.suffix.lower()]}
    path = f"{path_of(made['links']['self'])}/manifest"
    try:
        answer: dict[str, Any] = client.call("PUT", path, body=lambda: Body(blocks()), headers=headers)
    except BaseException:
        client.with_retries(lambda failures: client.once("DELETE", path_of(made["links"]["self"])))
        raise
    return answer


def _explained(problem: ApiProblem, place: dict[str, str] | None) -> Failure:
    if problem.code == "folder_not_allowed" and place:
        advice = f"; start the server with `tagline up --folders {_quoted(place['folder'])}`"
        return Failure(f"{problem.message}{advice}", problem.exit_code)
    return problem


def _quoted(text: str) -> str:
    return f'"{text}"' if " " in text else text


@library.command("list")
@json_option
@patience_option
def list_libraries(as_json: bool, patience: float | None) -> None:
    """List your libraries."""
    found = pages(open_client(patience, interactive=True), "/v1/libraries")
    if as_json:
        say_json(found)
    elif found["data"]:
        Console().print(library_table(found["data"]))
    else:
        note("there is no library yet; `tagline library create FOLDER` makes one")


@library.command("show")
@click.argument("name", metavar="NAME")
@json_option
@patience_option
def show(name: str, as_json: bool, patience: float | None) -> None:
    """Show a library and its last run."""
    client = open_client(patience, interactive=True)
    found = find_library(client, name)
    if as_json:
        say_json(found)
        return
    _show(found)
    try:
        last = find_run(client, found, None)
    except ApiProblem:
        raise
    except Failure:
        return
    say(f"  last run   {last['state']}: {what_it_met(last)}")
    say(f"             {what_it_did(last)}")
    if last["error"]:
        say(f"             {clean(last['error']['code'])}: {clean(last['error']['message'] or '')}")


@library.command("delete")
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@patience_option
def delete(name: str, yes: bool, as_json: bool, patience: float | None) -> None:
    """Give a library up, with your corrections; no photo and no sidecar is touched."""
    client = open_client(patience, interactive=True)
    found = find_library(client, name)
    if not yes:
        question = f"Forget all that is known of {clean(found['name'])}, corrections included?"
        click.confirm(question, abort=True, err=True)
    with client.stream("DELETE", path_of(found["links"]["self"])):
        pass
    if as_json:
        say_json({"id": found["id"], "deleted": True})
    else:
        note(f"{clean(found['name'])} is forgotten; its photos and sidecars are as they were")


def _show(found: dict[str, Any]) -> None:
    say(click.style(clean(found["name"]), bold=True) + f"  {found['id']}")
    say(f"  photos     {source_of(found)}")
    say(f"  tasks      {', '.join(found['tasks'])}")
    say(f"  runs       {schedule_of(found)}")
    if found["next_run_at"]:
        say(f"  next run   {found['next_run_at'][:16].replace('T', ' ')} UTC")
    if found["write"] != "none":
        say(f"  writes     XMP sidecars, labels from {found['write_threshold']:.2f}")
