"""What is read for those who wait for jobs to change: many at a time, cheaply."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from db.statements import run
from db.tables import ApiKey, Job

SLICE = 500  # ids in one query
_THERE = (Job.id.in_(bindparam("ids", expanding=True)), Job.deleted_at.is_(None))
_VERSIONS, _JOBS = select(Job.id, Job.version).where(*_THERE), select(Job).where(*_THERE)
T = TypeVar("T")


def seen_versions(session: Session, job_ids: Sequence[str]) -> dict[str, int]:
    """The versions of these jobs; those that are gone are left out."""
    found: dict[str, int] = {}
    for some in _slices(job_ids):
        found.update((row.id, row.version) for row in run(session, _VERSIONS, ids=some))
    return found


def read_jobs(session: Session, job_ids: Sequence[str]) -> dict[str, Job]:
    """These jobs by id; those that are gone are left out."""
    found: dict[str, Job] = {}
    for some in _slices(job_ids):
        found.update((job.id, job) for job in session.scalars(_JOBS, {"ids": some}))
    return found


def live_keys(session: Session, sha256s: Sequence[str]) -> set[str]:
    """Those of these keys' hashes that are not revoked."""
    found: set[str] = set()
    for some in _slices(sha256s):
        found.update(session.scalars(select(ApiKey.sha256).where(ApiKey.sha256.in_(some), ApiKey.revoked_at.is_(None))))
    return found


def _slices(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), SLICE):
        yield values[start : start + SLICE]
