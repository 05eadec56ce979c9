"""`tagline status` and `tagline cancel`."""

from __future__ import annotations

from typing import Any

import click

from cli.client.connection import Client
from cli.client.job_ids import checked_job, explaining_unknown_ids, job_path
from cli.client.patience_option import open_client, patience_option
from cli.client.problems import ApiProblem
from cli.client.progress import describe, wait_for
from cli.terminal import clean, say, say_json
from core.states import JobState


@click.command("status")
@click.argument("job_id", metavar="ID")
@click.option("--wait", is_flag=True, help="Show the progress, and end when the job does.")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@patience_option
def status(job_id: str, wait: bool, as_json: bool, patience: float | None) -> None:
    """Show how far a job is."""
    client = open_client(patience, interactive=not wait)
    with explaining_unknown_ids(job_id):
        job = checked_job(client.call("GET", job_path(job_id)))
        if wait and job["finished_at"] is None:
            job = wait_for(client, job)
    _show(job, as_json)


@click.command("cancel")
@click.argument("job_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print the job as JSON.")
@patience_option
def cancel(job_id: str, as_json: bool, patience: float | None) -> None:
    """Cancel a job; what is finished is kept."""
    client = open_client(patience, interactive=True)
    with explaining_unknown_ids(job_id):
        job = _cancelled(client, job_path(job_id))
    _show(job, as_json)


def _cancelled(client: Client, path: str) -> dict[str, Any]:
    """The job, cancelled now or before: the answer to an earlier try may have been lost on the way."""
    try:
        return checked_job(client.call("POST", f"{path}/cancel", body=b""))
    except ApiProblem as problem:
        if problem.code == "job_finished":
            job = checked_job(client.call("GET", path))
            if job["state"] == JobState.CANCELLED:
                return job
        raise


def _show(job: dict[str, Any], as_json: bool) -> None:
    if as_json:
        say_json(job)
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
