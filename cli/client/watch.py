"""Following a job to its end, across broken connections and restarts of the server."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from cli.client.connection import Client
from cli.client.job_ids import checked_job
from cli.client.problems import ApiProblem

_WAIT_S = 20  # of one long poll
_ANSWER_S = 15.0  # longer than that is no answer
_PAUSE_S, _IDLE_PAUSE_S, _BUSY_PAUSE_S = 0.1, 1.0, 5.0
_NOT_MODIFIED, _NOT_FOUND = 304, 404
_BUSY = "too_many_waiting"


class JobWatch:
    """Asks for a job again and again.

    Args:
        client: where to ask.
        path: of the job, which is known to be there.
    """

    def __init__(self, client: Client, path: str) -> None:
        self._client = client
        self._path = path
        self._etag = ""
        self._waits = True

    def changes(self) -> Iterator[dict[str, Any]]:
        """The job at each change, until it has finished.

        Raises:
            CallFailed: the server has been gone for longer than the client's patience, or the job was removed.
        """
        while True:
            job = self._client.with_retries(self._ask)
            if job is None:
                time.sleep(_IDLE_PAUSE_S)  # some proxies do not let a request wait
                continue
            yield job
            if job["finished_at"] is not None:
                return
            time.sleep(_PAUSE_S)

    def _ask(self, failures: int) -> dict[str, Any] | None:
        """The job; None if it is unchanged, or the server asks to come back later."""
        # After a failure not as a long poll: some proxies break those.
        waits, self._waits = self._waits and not failures, True
        headers = {"Prefer": f"wait={_WAIT_S}", "If-None-Match": self._etag} if waits else {}
        try:
            job, answered = self._client.once(
                "GET", self._path, headers=headers, timeout_s=_ANSWER_S + (_WAIT_S if waits else 0)
            )
        except ApiProblem as problem:
            if problem.status == _NOT_MODIFIED:
                return None
            if problem.code == _BUSY:
                self._waits = False
                time.sleep(min(problem.retry_after_s or _BUSY_PAUSE_S, _BUSY_PAUSE_S))
                return None
            # The job was there: some proxies answer 404 while there is no server behind them.
            problem.transient |= problem.status == _NOT_FOUND and problem.code is None
            raise
        self._etag = answered.get("ETag", "")
        return checked_job(job)
