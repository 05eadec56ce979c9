"""`tagline results`: a table for people, streams for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.client.confident import all_labels_option, confident
from cli.client.connection import Client
from cli.client.job_ids import checked_job, explaining_unknown_ids, job_path
from cli.client.patience_option import open_client, patience_option
from cli.client.pipes import quiet_broken_pipe
from cli.client.records import CSV, NDJSON, Records
from cli.terminal import clean, note

_ROWS = 50
_ID_WIDTH = 30


@click.command("results")
@click.argument("job_id", metavar="ID")
@click.option(
    "--format", "form", type=click.Choice(["table", "json", "ndjson", "csv"]), default="table", show_default=True
)
@click.option("--state", type=click.Choice(["succeeded", "failed", "cancelled"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 1000), default=_ROWS, show_default=True, help="Rows of a table.")
@all_labels_option
@patience_option
def results(job_id: str, form: str, state: str | None, limit: int, all_labels: bool, patience: float | None) -> None:
    """Print a job's results; json, ndjson and csv are streamed, all of them, in input order."""
    client = open_client(patience, interactive=True)
    path = job_path(job_id)
    with quiet_broken_pipe(), explaining_unknown_ids(job_id):
        if form == "table":
            job = checked_job(client.call("GET", path))
            print_table(client, job, Console(), state=state, limit=limit, every=all_labels)
            return
        records = Records(client, path, CSV if form == "csv" else NDJSON, state)
        if form == "json":
            _write_json(records)
        else:
            for record in records:
                sys.stdout.buffer.write(record)
        sys.stdout.buffer.flush()


def _write_json(lines: Iterable[bytes]) -> None:
    """NDJSON as one JSON array, without holding it."""
    out, between = sys.stdout.buffer, b"[\n"
    for line in lines:
        out.write(between + line.rstrip(b"\n"))
        between = b",\n"
    out.write(b"\n]\n" if between == b",\n" else b"[]\n")


def print_table(
    client: Client,
    job: dict[str, Any],
    console: Console,
    *,
    state: str | None = None,
    limit: int = _ROWS,
    every: bool = False,
) -> None:
    """The first results of a job, readable at 80 columns."""
    query = f"?limit={limit}" + (f"&state={state}" if state else "")
    page = client.call("GET", f"/v1/jobs/{job['id']}/results{query}")
    console.print(result_table(page["data"], every=every))
    if page["next_cursor"]:
        more = job["counts"]["total"] - len(page["data"])
        rest = f"{more:,} more" if not state else "there are more"
        note(f"{rest}; `tagline results {job['id']} --format csv`")


def result_table(rows: Iterable[dict[str, Any]], *, every: bool = False) -> Table:
    """Results, one row each: its id, and what was found or what went wrong; `every`: labels below 0.5, too."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("input", max_width=_ID_WIDTH, overflow="fold")
    table.add_column("result", overflow="fold")
    for row in rows:
        table.add_row(Text(name_of(row)), outcome(row, every=every))
    return table


def name_of(row: dict[str, Any]) -> str:
    """The caller's id of an item; where it has none, the end of its URL."""
    own = str(row["id"])
    if own != str(row["seq"]):
        return clean(own)
    (kind, ref), *_ = row["input"].items()
    if kind == "upload":  # its id says nothing to a person
        return f"#{own}"
    return clean(ref.rstrip("/").rpartition("/")[2] or ref)


def outcome(row: dict[str, Any], *, every: bool = False) -> Text:
    """What is worth saying about an item."""
    if row["error"]:
        return Text(clean(f"{row['error']['code']}: {row['error']['message']}"), style="red")
    if row["outputs"] is None:
        return Text(row["state"], style="dim")
    parts = [_output(value, every) for value in row["outputs"].values()]
    return Text("\n").join(part for part in parts if part) if parts else Text("")


def _output(value: dict[str, Any], every: bool) -> Text:
    if "labels" in value:
        text = Text()
        # Where a threshold decides, the label that is given need not be the one that scores best.
        given = sorted(value["labels"], key=lambda label: label["label"] != value.get("label", label["label"]))
        for rank, label in enumerate(confident(given, every=every)):
            text.append(", " if rank else "")
            text.append(clean(str(label["label"])), style="" if rank else "bold")
            text.append(f" {label['score']:.2f}", style="dim")
        return text
    if "text" in value:
        return Text(clean(str(value["text"])))
    return Text(clean(json.dumps(value, ensure_ascii=False)))
