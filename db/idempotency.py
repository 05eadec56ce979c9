"""Idempotency keys: the same submission sent twice makes one job (draft-ietf-httpapi-idempotency-key-header)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core.errors import Conflict
from db.clock import now_ms
from db.tables import IdempotencyKey
from db.upsert import insert_into

LOCK_MS = 180_000  # a submission that has been silent this long is taken for dead; see `renew`


@dataclass(frozen=True, slots=True)
class Known:
    """A submission that was accepted under this key."""

    fingerprint: str
    job_id: str
    response: dict[str, Any]


def reserve(session: Session, tenant_id: str, key: str, owner: str) -> Known | None:
    """Take a key for a submission that begins; commit before reading its body.

    Returns:
        None if the key is ours now, or what was accepted under it before.

    Raises:
        Conflict: `idempotency_key_in_use`, while another submission with this key is still running.
    """
    lock = {"owner": owner, "locked_until": now_ms() + LOCK_MS}
    new = {"tenant_id": tenant_id, "key": key, "created_at": now_ms(), **lock}
    dead = (IdempotencyKey.job_id.is_(None)) & (IdempotencyKey.locked_until < now_ms())
    session.execute(
        insert_into(session, IdempotencyKey)
        .values(**new)
        .on_conflict_do_update(index_elements=["tenant_id", "key"], set_=lock, where=dead)
    )
    row = session.execute(
        select(IdempotencyKey)
        .where(IdempotencyKey.tenant_id == tenant_id, IdempotencyKey.key == key)
        .execution_options(populate_existing=True)
    ).scalar_one()
    if row.job_id is not None:
        return Known(row.fingerprint or "", row.job_id, row.response or {})
    if row.owner != owner:
        raise Conflict(
            "idempotency_key_in_use",
            "A submission with this Idempotency-Key is still running; try again later.",
        )
    return None


def renew(session: Session, tenant_id: str, key: str, owner: str) -> None:
    """Say that the submission is still being read.

    Raises:
        Conflict: `idempotency_key_in_use`, if it was silent for so long that the key was given away.
    """
    kept = session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.tenant_id == tenant_id, IdempotencyKey.key == key, IdempotencyKey.owner == owner)
        .values(locked_until=now_ms() + LOCK_MS)
    )
    if kept.rowcount != 1:  # type: ignore[attr-defined]
        raise _taken_over()


def complete(
    session: Session,
    tenant_id: str,
    key: str,
    owner: str,
    *,
    fingerprint: str,
    job_id: str,
    response: dict[str, Any],
) -> None:
    """Keep the answer; in the transaction that makes the job.

    Raises:
        Conflict: `idempotency_key_in_use`, if the submission took so long that the key was given away.
    """
    kept = session.execute(
        update(IdempotencyKey)
        .where(IdempotencyKey.tenant_id == tenant_id, IdempotencyKey.key == key, IdempotencyKey.owner == owner)
        .values(fingerprint=fingerprint, job_id=job_id, response=response, locked_until=now_ms())
    )
    if kept.rowcount != 1:  # type: ignore[attr-defined]
        raise _taken_over()


def _taken_over() -> Conflict:
    return Conflict("idempotency_key_in_use", "Another submission took this Idempotency-Key over.")


def release(session: Session, tenant_id: str, key: str, owner: str) -> None:
    """Free the key of a submission that was refused, so that it can be corrected and sent again."""
    session.execute(
        delete(IdempotencyKey).where(
            IdempotencyKey.tenant_id == tenant_id,
            IdempotencyKey.key == key,
            IdempotencyKey.owner == owner,
            IdempotencyKey.job_id.is_(None),
        )
    )
