"""`tagline api`, `worker`, `scheduler`, `migrate`: one process each, to be run under another supervisor."""

from __future__ import annotations

import os
import sys

import click

from cli.config import read_settings
from cli.stack import processes
from cli.stack.layout import port_problem
from cli.stack.prepare import prepare, reason
from cli.terminal import Failure, note, say
from core.startup import WRONG_SETTINGS


def _become(command: list[str]) -> None:
    """Replace this process, so that signals and exit codes are the program's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execvp(command[0], command)


@click.command("api")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535))
def api(host: str, port: int) -> None:
    """Run the web API alone."""
    read_settings("database", "uploads", "models")  # a wrong one is said here, in one line
    problem = port_problem(host, port)
    if problem:
        raise Failure(f"cannot listen on {host}:{port}: {problem}; choose another with --port", WRONG_SETTINGS)
    _become(processes.api_command(host, port))


@click.command("worker")
@click.option("--concurrency", type=click.IntRange(1, 1024), help="Chunks in hand.  [TAGLINE_WORKER_CONCURRENCY]")
def worker(concurrency: int | None) -> None:
    """Run one worker; it joins whatever database, broker and bucket the environment names."""
    _become(processes.worker_command(read_settings("database", "models", "runtime", worker_concurrency=concurrency)))


@click.command("scheduler")
def scheduler() -> None:
    """Run the scheduler: leases, rings, webhooks. Several may run."""
    read_settings("database")
    _become(processes.scheduler_command())


@click.command("migrate")
def migrate() -> None:
    """Bring the database to this version, and make the first API key if there is none."""
    settings = read_settings("database")
    try:
        prepared = prepare(settings)
    except Exception as error:
        raise Failure(f"the database cannot be migrated: {reason(error)}") from error
    if prepared.key:
        say(f"API key, shown only this once: {prepared.key}")
    for line in prepared.news:
        note(line)
    note("the database is up to date")
