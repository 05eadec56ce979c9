"""The API key that stands in the environment: when it changes there, the one before it is no longer good."""

from __future__ import annotations

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.clock import now_ms
from db.keys import ENVIRONMENT, FIRST_TENANT, hash_key
from db.tables import ApiKey, Tenant

REPLACED = f"{ENVIRONMENT} (replaced)"


def use_key(session: Session, key: str) -> list[str]:
    """Let `key` be the one key of the environment; every other key stays as it is. It has been made before.

    A key that comes back to the environment after it was replaced there is good again; one that was revoked by hand
    stays revoked, and then nothing changes.

    Returns:
        What happened, for the operator; empty if nothing did.
    """
    # Processes that start at the same moment must not revoke one another's key half-way.
    tenant = session.execute(select(Tenant.id).where(Tenant.name == FIRST_TENANT).with_for_update()).scalar_one()
    row = session.get(ApiKey, hash_key(key))
    if row is not None and row.revoked_at is not None:
        if row.name != REPLACED or row.tenant_id != tenant:
            return [f"the key in {ENVIRONMENT} was revoked and stays so; write another"]
        row.revoked_at, row.name = None, ENVIRONMENT
    before = (ApiKey.tenant_id == tenant, ApiKey.name == ENVIRONMENT, ApiKey.sha256 != hash_key(key))
    done = session.execute(
        update(ApiKey).where(*before, ApiKey.revoked_at.is_(None)).values(revoked_at=now_ms(), name=REPLACED)
    )
    count: int = done.rowcount  # type: ignore[attr-defined]
    return [f"{ENVIRONMENT} has changed: the key that it held before is revoked"] if count else []
