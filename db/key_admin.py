"""Keys as the operator sees them: listed, made for a tenant, revoked. The keys themselves are not kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.scopes import Scope
from db.clock import now_ms
from db.keys import create_key, create_tenant
from db.tables import ApiKey, Tenant

ID_CHARS = 12  # of the key's hash; enough to tell keys apart


@dataclass(frozen=True, slots=True)
class KeyInfo:
    """One key, without the key."""

    id: str
    tenant: str
    name: str
    scope: Scope
    created_at: datetime
    revoked_at: datetime | None


def key_info(sha256: str, tenant: str, name: str, scope: str, created: int, revoked: int | None) -> KeyInfo:
    """A key from its row; the times are milliseconds."""
    revoked_at = None if revoked is None else _time(revoked)
    return KeyInfo(sha256[:ID_CHARS], tenant, name, Scope(scope), _time(created), revoked_at)


def list_keys(session: Session) -> list[KeyInfo]:
    """Every key, oldest first."""
    rows = session.execute(
        select(ApiKey.sha256, Tenant.name, ApiKey.name, ApiKey.scope, ApiKey.created_at, ApiKey.revoked_at)
        .join(Tenant, Tenant.id == ApiKey.tenant_id)
        .order_by(ApiKey.created_at, ApiKey.sha256)
    )
    return [key_info(*row) for row in rows]


def add_key(session: Session, tenant: str, name: str, webhook_secret: str, scope: Scope = Scope.ADMIN) -> str:
    """Make a key for a tenant, and the tenant (with this secret) if there is none of that name."""
    found = session.execute(select(Tenant.id).where(Tenant.name == tenant)).scalar_one_or_none()
    return create_key(session, found or create_tenant(session, tenant, webhook_secret), name, scope=scope)


def revoke_key(session: Session, key_id: str) -> int:
    """Revoke the live key whose id begins like this.

    Returns:
        How many live keys begin like this; it is revoked only if that is 1.
    """
    matching = select(ApiKey.sha256).where(ApiKey.sha256.startswith(key_id, autoescape=True))
    live = session.scalars(matching.where(ApiKey.revoked_at.is_(None))).all()
    if len(live) == 1:
        session.execute(update(ApiKey).where(ApiKey.sha256 == live[0]).values(revoked_at=now_ms()))
    return len(live)


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
