"""Tenants and their API keys."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field

from sqlalchemy import bindparam, insert, select
from sqlalchemy.orm import Session

from core.ids import new_id
from core.scopes import Scope
from db.clock import now_ms
from db.statements import run, table_of
from db.tables import ApiKey, Tenant

_TENANT, _KEY = table_of(Tenant).c, table_of(ApiKey).c
_CALLER = (
    select(_TENANT.id, _TENANT.name, _TENANT.webhook_secret, _KEY.scope)
    .join_from(table_of(Tenant), table_of(ApiKey), _KEY.tenant_id == _TENANT.id)
    .where(_KEY.sha256 == bindparam("its_sha256"), _KEY.revoked_at.is_(None))
)
FIRST_TENANT = "default"
ENVIRONMENT = "TAGLINE_API_KEY"  # the name of the key that stands there


@dataclass(frozen=True, slots=True)
class Caller:
    """Who a request's key belongs to, and what it may do. Keys of one tenant and one scope make the same caller."""

    tenant_id: str
    tenant_name: str
    webhook_secret: str
    scope: Scope
    key_sha256: str = field(compare=False)


def hash_key(key: str) -> str:
    # A key has 256 random bits (or is the operator's own choice): no slow hash is needed to protect it.
    return hashlib.sha256(key.encode()).hexdigest()


def authenticate(session: Session, key: str) -> Caller | None:
    """The caller whose live key this is, or None."""
    return find_caller(session, hash_key(key))


def find_caller(session: Session, key_sha256: str) -> Caller | None:
    """The caller whose live key has this hash, or None."""
    row = run(session, _CALLER, its_sha256=key_sha256).one_or_none()
    return Caller(row.id, row.name, row.webhook_secret, Scope(row.scope), key_sha256) if row else None


def create_tenant(session: Session, name: str, webhook_secret: str) -> str:
    """A new tenant's id."""
    tenant_id = new_id()
    values = {"id": tenant_id, "name": name, "webhook_secret": webhook_secret, "created_at": now_ms()}
    session.execute(insert(Tenant).values(**values))
    return tenant_id


def create_key(
    session: Session, tenant_id: str, name: str, key: str | None = None, *, scope: Scope = Scope.ADMIN
) -> str:
    """Add a key for a tenant and return it; only its hash is kept."""
    key = key or "tl_" + secrets.token_urlsafe(32)
    values = {"sha256": hash_key(key), "tenant_id": tenant_id, "name": name, "scope": scope, "created_at": now_ms()}
    session.execute(insert(ApiKey).values(**values))
    return key


def ensure_first_key(session: Session, wanted: str, webhook_secret: str) -> str | None:
    """Make sure that somebody can call the API.

    With `wanted`, that key belongs to the tenant "default" afterwards. Without it, a key is made if there is
    none at all.

    Returns:
        The key if it was made now, None if nothing had to be done.
    """
    tenant = session.execute(select(Tenant.id).where(Tenant.name == FIRST_TENANT)).scalar_one_or_none()
    if tenant is None:
        tenant = create_tenant(session, FIRST_TENANT, webhook_secret)
    if wanted:
        if session.get(ApiKey, hash_key(wanted)) is None:
            create_key(session, tenant, ENVIRONMENT, wanted)
        return None
    if session.execute(select(ApiKey.sha256).limit(1)).first() is None:
        return create_key(session, tenant, "first")
    return None
