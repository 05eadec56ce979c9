"""`tagline status` and `tagline cancel`."""

from __future__ import annotations

import json
from typing import Any

import click

from cli.client.connection import Client
from cli.client.progress import describe
from cli.config import read_client_settings
from cli.terminal import clean, say


@click.command("status")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
def status(job_id: str, as_json: bool) -> None:
    """Show how far a job is."""
    job = Client(read_client_settings()).call("GET", f"/v1/jobs/{job_id}")
    _show(job, as_json)


@click.command("cancel")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
def cancel(job_id: str, as_json: bool) -> None:
    """Cancel a job; what is finished is kept."""
    job = Client(read_client_settings()).call("POST", f"/v1/jobs/{job_id}/cancel", body=b"")
    _show(job, as_json)


def _show(job: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say(json.dumps(job, ensure_ascii=False))
        return
    say(click.style(job["id"], bold=True) + (f"  {clean(job['name'])}" if job.get("name") else ""))
    say(f"  state     {job['state']} ({job['progress']:.0%})")
    say(f"  items     {describe(job)}")
    say(f"  tasks     {', '.join(job['tasks'])}")
    say(f"  created   {job['created_at']}")
    if job["finished_at"]:
        say(f"  finished  {job['finished_at']}")
    elif job["eta_seconds"] is not None:
        say(f"  left      about {job['eta_seconds']:.0f} s")
