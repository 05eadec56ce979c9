"""`tagline submit`: photos, folders, URLs or a list, as one job."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import click
from rich.console import Console

from cli.client.arguments import LISTS, GivenInput, Photo, as_listing, printable, read_arguments
from cli.client.confident import all_labels_option
from cli.client.connection import JSON, Body, Client
from cli.client.files import LeftOut
from cli.client.inputs import as_lines, upload_all
from cli.client.job_fields import as_query, job_fields, job_options
from cli.client.job_ids import checked_job
from cli.client.left_out import report_left_out
from cli.client.patience_option import open_client, patience_option
from cli.client.problems import CallFailed
from cli.client.progress import counter, wait_for
from cli.client.results import print_table
from cli.terminal import Failure, note, say, say_json, warn
from core.states import JobState

_MAX_JSON_INPUTS = 1000  # inputs in one JSON document; more go as a stream
_NDJSON = "application/x-ndjson"
_TYPES = {suffix.removeprefix("."): media_type for suffix, media_type in LISTS.items()}
_KEY = re.compile(r"[!-~]{1,255}")
_FAILED = (JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED)


@click.command("submit")
@click.argument("inputs", nargs=-1, required=True, metavar="FILE|FOLDER|URL|-...")
@job_options
@click.option("--wait", is_flag=True, help="Show the progress, then the results.")
@click.option("--list-format", type=click.Choice(list(_TYPES)), help="What a list is, if not what its name says.")
@click.option("--idempotency-key", metavar="KEY", help="The same key and inputs again give the same job, not another.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@all_labels_option
@patience_option
def submit(
    inputs: tuple[str, ...],
    wait: bool,
    list_format: str | None,
    idempotency_key: str | None,
    as_json: bool,
    all_labels: bool,
    patience: float | None,
    **fields: Any,
) -> None:
    """Submit images as one job.

    URLs, s3:// objects (with a slash at the end: all below it) and file:///PATH, a photo on the server, are fetched by
    the service; image files, and every image in a folder, are uploaded.
    A list (.txt .csv .ndjson .jsonl, or - for standard input) is sent as it is, however long.

    Hidden files, thumbnails that systems keep, and files of other kinds in a folder are left out. Exit codes: 1 if a
    photo could not be read or sent, the server refused, or with --wait the job failed; 2 if there is nothing to
    submit; 3 if the server does not answer; 130 if interrupted.
    """
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise Failure("--idempotency-key: 1 to 255 printable ASCII characters without spaces", 2)
    client = open_client(patience)
    wanted = job_fields(**fields)
    lost = 0
    listing = as_listing(inputs, _TYPES.get(list_format or ""))
    if listing:
        with contextlib.closing(listing):
            job = submit_stream(client, wanted, listing.blocks, listing.media_type, idempotency_key)
    else:
        made, lost = _gather(client, inputs)
        if len(made) > _MAX_JSON_INPUTS:
            job = submit_stream(client, wanted, lambda: as_lines(made), _NDJSON, idempotency_key)
        else:
            job = submit_json(client, {**wanted, "inputs": made}, idempotency_key)
    finished = follow(client, job, as_json=as_json, wait=wait, every=all_labels)
    if lost or (wait and finished["state"] in _FAILED):
        sys.exit(1)


def submit_json(client: Client, request: dict[str, Any], key: str | None = None) -> dict[str, Any]:
    """Submit one JSON document and return the job.

    Args:
        key: for Idempotency-Key; one is made up unless given, so that a repetition makes no second job.
    """
    return _make(client, "/v1/jobs", json.dumps(request).encode(), JSON, key)


def submit_stream(
    client: Client,
    fields: dict[str, Any],
    blocks: Callable[[], Iterator[bytes]],
    media_type: str,
    key: str | None = None,
) -> dict[str, Any]:
    """Submit inputs that are read and sent block by block; as `submit_json`.

    Args:
        fields: what is said of the job.
        blocks: gives the same bytes again for each try.
    """
    path = f"/v1/jobs?{urlencode(as_query(fields))}"
    return _make(client, path, lambda: Body(blocks()), media_type, key)


def _make(
    client: Client, path: str, body: bytes | Callable[[], Body], media_type: str, given_key: str | None
) -> dict[str, Any]:
    key = given_key or secrets.token_hex(16)
    headers = {"Content-Type": media_type, "Idempotency-Key": key}
    may_have_arrived = False

    def attempt(failures: int) -> dict[str, Any]:
        nonlocal may_have_arrived
        try:
            answer, about = client.once("POST", path, body=body, headers=headers)
        except CallFailed as failure:
            may_have_arrived = (may_have_arrived or failure.may_have_arrived) and failure.transient
            raise
        if given_key and not failures and about.get("Idempotent-Replayed") == "true":
            note("this key was used before; it is the same job")
        return checked_job(answer)

    try:
        return client.with_retries(attempt)
    except (CallFailed, KeyboardInterrupt) as error:
        if may_have_arrived or isinstance(error, KeyboardInterrupt):
            note(f"the job may have been made; the same command with --idempotency-key {key} finds it, and makes none")
        raise


def _gather(client: Client, inputs: tuple[str, ...]) -> tuple[list[dict[str, str]], int]:
    """The inputs that a person named, photos uploaded; and how many photos could not be read or sent."""
    named: list[GivenInput] = []
    left: list[LeftOut] = []
    for found in read_arguments(inputs):
        if isinstance(found, LeftOut):
            left.append(found)
        else:
            named.append(found)
    lost = report_left_out(left)
    if not named and not lost:
        raise Failure(f"there is no photo in {', '.join(map(printable, inputs))}", 2)

    def skip(photo: Photo, why: str) -> None:
        nonlocal lost
        lost += 1
        warn(f"skipped {printable(str(photo.path))}: {why}")

    photos = sum(isinstance(one, Photo) for one in named)
    with counter("uploading", len(named) if photos else 0) as done:
        made = upload_all(client, named, done, skip)
    if not made:
        raise Failure("nothing is left to submit")
    return made, lost


def follow(client: Client, job: dict[str, Any], *, as_json: bool, wait: bool, every: bool = False) -> dict[str, Any]:
    """Report the job, with `wait` once it has finished; returns it. `every`: labels below 0.5 are shown, too."""
    accepted = f"{job['counts']['total']:,} accepted"
    if wait:
        note(f"job {job['id']}: {accepted}")  # before anything can go wrong
        job = wait_for(client, job)
    if as_json:
        say_json(job)
    elif wait:
        print_table(client, job, Console(), every=every)
    else:
        say(job["id"])
        note(f"{accepted}; `tagline status {job['id']}` shows how far it is")
    return job
