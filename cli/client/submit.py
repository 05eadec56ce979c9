"""`tagline submit`: photos, folders, URLs or a list, as one job."""

from __future__ import annotations

import json
import secrets
import sys
from typing import Any
from urllib.parse import urlencode

import click
from rich.console import Console

from cli.client.connection import JSON, Client
from cli.client.inputs import LISTS, Listing, Photo, as_lines, as_listing, read_arguments, upload_all
from cli.client.progress import counter, watch_job
from cli.client.results import print_table
from cli.config import read_client_settings
from cli.terminal import Failure, note, say, warn
from core.states import JobState

_JSON_MOST = 1000  # inputs in one JSON document; more go as a stream
_TYPES = {suffix.removeprefix("."): media_type for suffix, media_type in LISTS.items()}
_FAILED = (JobState.FAILED, JobState.CANCELLED, JobState.EXPIRED)


@click.command("submit")
@click.argument("inputs", nargs=-1, required=True, metavar="FILE|FOLDER|URL|-...")
@click.option("--tasks", required=True, help="classify,caption,tag of images; sentiment,language,spam of a list.")
@click.option("--wait", is_flag=True, help="Show the progress, then the results.")
@click.option("--name", help="A name for the job.")
@click.option("--webhook", metavar="URL", help="Where to send a signed message at the end.")
@click.option("--top-k", type=click.IntRange(1, 1000), help="Labels for each photo.")
@click.option("--priority", type=click.Choice(["interactive", "bulk"]), help="By default the size decides.")
@click.option("--list-format", type=click.Choice(list(_TYPES)), help="What a list is, if not what its name says.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
def submit(
    inputs: tuple[str, ...],
    tasks: str,
    wait: bool,
    name: str | None,
    webhook: str | None,
    top_k: int | None,
    priority: str | None,
    list_format: str | None,
    as_json: bool,
) -> None:
    """Submit images as one job.

    URLs and s3:// objects are fetched by the service; image files, and every image in a folder, are uploaded.
    A list (.txt .csv .ndjson .jsonl, or - for standard input) is sent as it is, however long.
    """
    client = Client(read_client_settings())
    names = [task.strip() for task in tasks.split(",") if task.strip()]
    options = {task: {"top_k": top_k} for task in names if task in ("classify", "tag")} if top_k else {}
    hook = {"url": webhook} if webhook else None
    fields: dict[str, Any] = {
        "tasks": names, "name": name, "priority": priority, "options": options, "webhook": hook
    }  # fmt: skip
    fields = {field: value for field, value in fields.items() if value}
    skipped = 0
    listing = as_listing(inputs, _TYPES.get(list_format or ""))
    if listing:
        job = submit_list(client, fields, listing)
    else:
        job, skipped = submit_named(client, fields, inputs)
    finished = follow(client, job, as_json=as_json, wait=wait)
    if skipped or (wait and finished["state"] in _FAILED):
        sys.exit(1)


def submit_list(client: Client, fields: dict[str, Any], listing: Listing) -> dict[str, Any]:
    """Submit a list, read and sent block by block."""
    return _stream(client, fields, listing.blocks(), listing.media_type)


def submit_named(client: Client, fields: dict[str, Any], inputs: tuple[str, ...]) -> tuple[dict[str, Any], int]:
    """Submit URLs and files; the job, and how many files were refused."""
    named = read_arguments(inputs)
    refused: list[str] = []

    def skip(photo: Photo, why: str) -> None:
        refused.append(photo.id)
        warn(f"skipped {photo.path}: {why}")

    photos = sum(isinstance(one, Photo) for one in named)
    with counter("uploading", len(named) if photos else 0) as done:
        made = upload_all(client, named, done, skip)
    if not made:
        raise Failure("nothing is left to submit")
    if len(made) > _JSON_MOST:
        return _stream(client, fields, as_lines(made), "application/x-ndjson"), len(refused)
    return submit_json(client, {**fields, "inputs": made}), len(refused)


def submit_json(client: Client, request: dict[str, Any]) -> dict[str, Any]:
    """Submit one JSON document and return the job."""
    body = json.dumps(request).encode()
    headers = {"Content-Type": JSON, "Idempotency-Key": secrets.token_hex(16)}
    job: dict[str, Any] = client.insist("POST", "/v1/jobs", body=body, headers=headers)
    return job


def _stream(client: Client, fields: dict[str, Any], blocks: Any, media_type: str) -> dict[str, Any]:
    query = {name: value for name, value in fields.items() if isinstance(value, str)}
    query["tasks"] = ",".join(fields["tasks"])
    if "options" in fields:
        query["options"] = json.dumps(fields["options"])
    if "webhook" in fields:
        query["webhook_url"] = fields["webhook"]["url"]
    job: dict[str, Any] = client.call(
        "POST", f"/v1/jobs?{urlencode(query)}", body=blocks, headers={"Content-Type": media_type}
    )
    return job


def follow(client: Client, job: dict[str, Any], *, as_json: bool, wait: bool) -> dict[str, Any]:
    """Say what became of the submission; with `wait` when it has finished."""
    if wait:
        try:
            job = watch_job(client, job)
        except KeyboardInterrupt:
            note(f"the job goes on; `tagline status {job['id']}` shows how far it is")
            sys.exit(130)
    if as_json:
        say(json.dumps(job, ensure_ascii=False))
    elif wait:
        print_table(client, job, Console())
    else:
        say(job["id"])
        note(f"{job['counts']['total']:,} accepted; `tagline status {job['id']}` shows how far it is")
    return job
