"""The lock on an Idempotency-Key while its submission is read: held while bytes arrive, free soon after a crash."""

from __future__ import annotations

from time import monotonic
from typing import Any

from core.ids import new_id
from db import idempotency
from db.engine import Database, Session, Unavailable

RENEW_S = 60.0  # a third of the lock's time: each renewal is a write, so not at every block
BEFORE_STORING_S = 10.0


class KeyLock:
    """The lock of one submission."""

    def __init__(self, database: Database, tenant_id: str, key: str) -> None:
        self._database = database
        self._names = (tenant_id, key, new_id())
        self._renewed = monotonic()

    def take(self) -> idempotency.Known | None:
        """As `idempotency.reserve`."""
        self._renewed = monotonic()
        with self._database.write() as session:
            return idempotency.reserve(session, *self._names)

    def renew(self, older_than_s: float = RENEW_S) -> None:
        """Renew the lock if that is due; to be called as often as bytes arrive.

        Raises:
            Conflict: `idempotency_key_in_use`, if somebody else has it by now.
        """
        if monotonic() - self._renewed < older_than_s:
            return
        self._renewed = monotonic()
        try:
            with self._database.write() as session:
                idempotency.renew(session, *self._names)
        except Unavailable:  # there is time for another try or two: the submission goes on
            pass

    def complete(self, session: Session, view: dict[str, Any], *, fingerprint: str) -> None:
        """Keep a job's view as the answer; in the transaction that makes the job; raises as `renew`."""
        idempotency.complete(session, *self._names, fingerprint=fingerprint, job_id=view["id"], response=view)

    def release(self) -> None:
        """Free the key of a submission that was refused."""
        with self._database.write() as session:
            idempotency.release(session, *self._names)
