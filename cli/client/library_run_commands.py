"""`tagline library run` and its like: runs of a library, what they changed, and taking one back."""

from __future__ import annotations

import sys
import time
from typing import Any

import click
from rich.console import Console

from cli.client.connection import Client
from cli.client.json_option import json_option
from cli.client.library_names import checked, find_library, find_run, make, pages, path_of
from cli.client.library_words import change_table, run_table, what_it_did, what_it_met
from cli.client.patience_option import open_client, patience_option
from cli.client.pipes import quiet_broken_pipe
from cli.client.problems import CallFailed
from cli.client.progress import run_bar
from cli.terminal import Failure, clean, note, say, say_json

_ROWS = 50
_POLL_S = 0.5
_GOOD = "completed"
_LABELS = 5
_KINDS = ("new", "changed", "moved", "unchanged", "stale", "retried", "gone")
Run = dict[str, Any]


@click.command("run")
@click.argument("name", metavar="NAME")
@click.option(
    "--what", type=click.Choice(["changed", "failed", "all", "relabel"]), default="changed", show_default=True,
    help="What is new or changed; what failed; everything; or new labels for all, without reading a photo.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would be done.")
@click.option("--force", is_flag=True, help="Believe a source that has lost half of its photos.")
@click.option("--limit", type=click.IntRange(1, 1_000_000_000), help="Run at most so many photos.")
@click.option("--wait", is_flag=True, help="Show the progress, then what changed.")
@json_option
@patience_option
def run(
    name: str,
    what: str,
    dry_run: bool,
    force: bool,
    limit: int | None,
    wait: bool,
    as_json: bool,
    patience: float | None,
) -> None:
    """Look at a library's photos now. With --wait exit code 1 if the run does not complete."""
    client = open_client(patience, interactive=not wait)
    library = find_library(client, name)
    fields = {"what": what, "dry_run": dry_run, "force": force, "limit": limit}
    started = make(client, path_of(library["links"]["runs"]), fields)
    if not wait:
        if as_json:
            say_json(started)
        else:
            say(started["id"])
            note("it is queued; `tagline library runs` shows how far it is")
        return
    note(f"run {started['id']}")  # before anything can go wrong
    finished = wait_for_run(client, started)
    if as_json:
        say_json(finished)
    else:
        _say_finished(finished)
    if finished["state"] != _GOOD:
        sys.exit(1)


def wait_for_run(client: Client, started: Run) -> Run:
    """Show a run's progress until it has finished; the run as it is then."""
    path = path_of(started["links"]["self"])
    try:
        with run_bar() as show:
            while True:
                now = checked(client.call("GET", path))
                show(now)
                if now["finished_at"] is not None:
                    return now
                time.sleep(_POLL_S)
    except KeyboardInterrupt:
        note("the run goes on; `tagline library cancel` ends it")
        sys.exit(130)
    except CallFailed as failure:
        if failure.transient:
            note("the run goes on; `tagline library runs` shows how far it is")
        raise


def _say_finished(finished: Run) -> None:
    say(f"{finished['state']}: {what_it_met(finished)}")
    if finished["error"]:
        say(f"  {clean(finished['error']['code'])}: {clean(finished['error']['message'] or '')}")
        return
    say(f"  {what_it_did(finished)}")
    for sign, kind in (("+", "added"), ("-", "removed")):
        labels = finished["labels"][kind][:_LABELS]
        if labels:
            say("  " + "  ".join(f"{sign}{clean(label['label'])} ({label['count']:,})" for label in labels))


@click.command("runs")
@click.argument("name", metavar="NAME")
@click.option("--limit", type=click.IntRange(1), help=f"Most rows; {_ROWS} in a table, all with --json.")
@json_option
@patience_option
def runs(name: str, limit: int | None, as_json: bool, patience: float | None) -> None:
    """List a library's runs, newest first."""
    client = open_client(patience, interactive=True)
    found = pages(client, path_of(find_library(client, name)["links"]["runs"]), limit or (None if as_json else _ROWS))
    with quiet_broken_pipe():
        if as_json:
            say_json(found)
        else:
            Console().print(run_table(found["data"]))


@click.command("cancel")
@click.argument("name", metavar="NAME")
@click.argument("run_id", metavar="[RUN]", required=False)
@json_option
@patience_option
def cancel(name: str, run_id: str | None, as_json: bool, patience: float | None) -> None:
    """Cancel a run, by default the last one; what it has done stays."""
    _show(_ask(name, run_id, "cancel", patience), as_json)


@click.command("undo")
@click.argument("name", metavar="NAME")
@click.argument("run_id", metavar="[RUN]", required=False)
@json_option
@patience_option
def undo(name: str, run_id: str | None, as_json: bool, patience: float | None) -> None:
    """Take a run back, by default the last one: labels and captions as before it. Your corrections stay."""
    _show(_ask(name, run_id, "undo", patience), as_json)


def _ask(name: str, run_id: str | None, what: str, patience: float | None) -> Run:
    client = open_client(patience, interactive=True)
    found = find_run(client, find_library(client, name), run_id)
    return checked(client.call("POST", path_of(found["links"][what]), body=b""))


def _show(found: Run, as_json: bool) -> None:
    if as_json:
        say_json(found)
    else:
        say(f"{found['id']}  {'undone' if found['undone_at'] else found['state']}: {what_it_met(found)}")


@click.command("changes")
@click.argument("name", metavar="NAME")
@click.argument("run_id", metavar="[RUN]", required=False)
@click.option(
    "--kind",
    type=click.Choice(["new", "changed", "moved", "unchanged", "stale", "retried", "gone"]),
    help="Only these.",
)
@click.option("--format", "form", type=click.Choice(["table", "ndjson", "csv"]), default="table", show_default=True)
@click.option("--limit", type=click.IntRange(1), help=f"Most rows; {_ROWS} in a table, all with --json.")
@json_option
@patience_option
def changes(
    name: str,
    run_id: str | None,
    kind: str | None,
    form: str,
    limit: int | None,
    as_json: bool,
    patience: float | None,
) -> None:
    """Show what a run changed, by default the last one; ndjson and csv are streamed, all of it."""
    client = open_client(patience, interactive=True)
    found = find_run(client, find_library(client, name), run_id)
    path = path_of(found["links"]["changes"])
    with quiet_broken_pipe():
        if form != "table" and not as_json:
            _stream(client, path + (f"?kind={kind}" if kind else ""), form)
            return
        listed = pages(client, path, limit or (None if as_json else _ROWS), kind=kind)
        if as_json:
            say_json(listed)
            return
        if not listed["data"]:
            note("nothing changed")
            return
        Console().print(change_table(listed["data"]))
        if listed["next_cursor"]:
            note(f"there are more; `tagline library changes {name} {found['id']} --format csv`")


def _stream(client: Client, path: str, form: str) -> None:
    accept = "text/csv" if form == "csv" else "application/x-ndjson"
    with client.stream("GET", path, headers={"Accept": accept}) as answer:
        for line in answer:
            if not line.endswith(b"\n"):
                raise Failure("the changes ended in the middle of one; ask for them again", 3)
            sys.stdout.buffer.write(line)
    sys.stdout.buffer.flush()
