"""Progress on standard error: a bar on a terminal, one line at the end elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from cli.client.connection import Client
from cli.client.job_ids import job_path
from cli.client.problems import CallFailed
from cli.client.watch import JobWatch
from cli.terminal import note


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


@contextlib.contextmanager
def counter(what: str, total: int) -> Iterator[Callable[[], None]]:
    """A bar to be moved by one at each call; none for a total of zero."""
    if not total:
        yield lambda: None
        return
    with _bar() as bar:
        task = bar.add_task(what, total=total, pace="")
        yield lambda: bar.advance(task)


@contextlib.contextmanager
def run_bar() -> Iterator[Callable[[dict[str, Any]], None]]:
    """A bar for a run of a library, to be shown each state of it: how many of the photos that are due are done."""
    with _bar() as bar:
        task = bar.add_task("queued", total=None, pace="")

        def show(run: dict[str, Any]) -> None:
            counts = run["counts"]
            done = counts["succeeded"] + counts["failed"]
            due = sum(counts[kind] for kind in ("new", "changed", "stale", "retried"))
            total = max(due, done) if run["state"] not in ("queued", "listing") else None
            listed = f"{counts['listed']:,} listed" if counts["listed"] else ""
            bar.update(task, completed=done, total=total, description=run["state"], pace=listed)

        yield show


def watch_job(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """Show a job's progress until it has finished, and return it as it is then."""
    began = time.monotonic()
    with _bar() as bar:
        task = bar.add_task("running", total=job["counts"]["total"], pace="")
        for job in JobWatch(client, job_path(job["id"])).changes():  # noqa: B020
            counts = job["counts"]
            done = counts["total"] - counts["pending"]
            pace = done / max(time.monotonic() - began, 0.001)
            bar.update(task, completed=done, description=job["state"], pace=f"{pace:,.0f}/s")
    took = time.monotonic() - began
    note(f"job {job['id']} {job['state']} in {took:.1f} s: {_parts(job)}")
    return job


def wait_for(client: Client, job: dict[str, Any]) -> dict[str, Any]:
    """As `watch_job`, for a command; if it ends early, tell the user that the job goes on."""
    more = f"the job goes on; `tagline status {job['id']} --wait` waits for it"
    try:
        return watch_job(client, job)
    except KeyboardInterrupt:
        note(more)
        sys.exit(130)
    except CallFailed as failure:
        if failure.transient:
            note(more)
        raise


def describe(job: dict[str, Any]) -> str:
    """A job's counts in words."""
    return f"{job['counts']['total']:,} in all ({_parts(job)})"


def _parts(job: dict[str, Any]) -> str:
    counts = job["counts"]
    states = ("pending", "succeeded", "failed", "cancelled")
    return ", ".join(f"{counts[state]:,} {state}" for state in states if counts[state])
