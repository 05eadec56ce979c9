"""The lease of a run's stage, renewed while the stage is done."""

from __future__ import annotations

import logging
import threading
from typing import Self

from core.errors import LeaseLost
from db.engine import Database
from db.library_runs import RunClaim, renew_stage

log = logging.getLogger(__name__)


class StageLease:
    """Held until the block ends; three renewals within each lease.

    Attributes:
        claim: the stage that is ours.
        ms: how long the lease lasts without a renewal.
    """

    def __init__(self, database: Database, claim: RunClaim, lease_s: float, stopping: threading.Event) -> None:
        self.claim = claim
        self.ms = round(lease_s * 1000)
        self._database = database
        self._stopping = stopping
        self._over = threading.Event()
        self._lost = False
        self._thread = threading.Thread(target=self._keep, args=(lease_s / 3,), name="stage-lease", daemon=True)

    def check(self) -> None:
        """Raises LeaseLost when the stage is known to be somebody else's, or `Stopping` when this worker stops."""
        if self._stopping.is_set():
            raise Stopping
        if self._lost:
            raise LeaseLost(self.claim.number)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=10)

    def _keep(self, every_s: float) -> None:
        while not self._over.wait(every_s):
            try:
                with self._database.write() as session:
                    self._lost = not renew_stage(session, self.claim, lease_ms=self.ms)
            except Exception as error:  # no database: the lease runs out, and its token does the rest
                log.error("could not renew the lease of a run's stage: %s", error)


class Stopping(Exception):
    """This worker stops; the stage is given back."""
