"""Waiting for a job to change: for long polls, and for whoever submits one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response

from api.http.places import Place
from api.http.waits import Event, park
from api.services import services
from api.v1.job_source import JobSource
from core.states import JobState
from db.tables import Job

OVER = Event(b"", last=True)


def park_for_job(
    place: Place,
    job_id: str,
    version: int,
    seconds: float,
    *,
    any_change: bool = False,
    note: Any = None,
    hung_up: Callable[[], None] | None = None,
) -> Response:
    """The current view's answer if it wants to be called again when a job has finished, or is gone.

    Args:
        version: what is known of it.
        any_change: call again when it has another version, whatever its state.
        note, hung_up: as in `api.http.waits.Park`.
    """

    def render(job: Job) -> Event | None:
        return OVER if any_change or JobState(job.state).finished else None

    return park(JobSource(services().live, job_id, version, render), seconds, place, note, hung_up)
