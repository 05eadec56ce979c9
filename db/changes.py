"""Which jobs a transaction has changed, so that those who wait for them can be told once it is committed."""

from __future__ import annotations

from sqlalchemy.orm import Session

_KEY = "changed jobs"


def note_change(session: Session, job_id: str) -> None:
    """This transaction changes what clients see of the job: its version grows, or it is removed."""
    session.info.setdefault(_KEY, set()).add(job_id)


def changed_jobs(session: Session) -> set[str]:
    """The jobs that the transaction noted."""
    found: set[str] = session.info.get(_KEY, set())
    return found
