"""Job ids as people type them, and jobs as a server shows them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from cli.client.problems import ApiProblem, Unreachable
from cli.terminal import Failure

_NO_JOB = "/v1/jobs/-"
_ID_ADVICE = "an id looks like 0198a5c2-7b31-7c44-9d0e-5a2f8c6b1e77, and `tagline submit` prints it"
_FIELDS = ("id", "state", "tasks", "counts", "progress", "created_at", "finished_at", "eta_seconds")


def job_path(given: str) -> str:
    """The path of a job, by its id in capitals or small letters.

    What is no id gets a path where no job is, so that a wrong key is reported first, as with every other call.
    """
    try:
        return f"/v1/jobs/{UUID(given.strip())}"
    except ValueError:
        return _NO_JOB


@contextlib.contextmanager
def explaining_unknown_ids(given: str) -> Iterator[None]:
    """Where a job is not found and its id is none, show what an id looks like.

    Raises:
        Failure: exit code 1.
    """
    try:
        yield
    except ApiProblem as problem:
        if job_path(given) == _NO_JOB and problem.status == 404:
            shown = given if len(given) <= 60 else f"{given[:59]}…"
            raise Failure(f"there is no job {shown!r}: {_ID_ADVICE} (job_not_found)") from None
        raise


def checked_job(answer: Any) -> dict[str, Any]:
    """An answer that should be a job.

    Raises:
        Unreachable: it is none, so the server is not Tagline.
    """
    if not isinstance(answer, dict) or not all(field in answer for field in _FIELDS):
        raise Unreachable("what answers is not Tagline; is TAGLINE_URL right?", transient=False)
    return answer
