"""Links that sign a browser in once: made for a key, kept as a hash, gone when they are used."""

from __future__ import annotations

import hashlib
import secrets

from sqlalchemy import delete, insert, select
from sqlalchemy.orm import Session

from core.scopes import Scope
from db.access_tables import SignInLink
from db.clock import now_ms
from db.keys import ENVIRONMENT
from db.tables import ApiKey, Tenant

LASTS_MINUTES = 10


def make_link(session: Session, key_sha256: str) -> str:
    """The token of a new link that signs in with a key. Those that are too old go."""
    session.execute(delete(SignInLink).where(SignInLink.expires_at <= now_ms()))
    token = secrets.token_hex(20)
    expires = now_ms() + LASTS_MINUTES * 60_000
    session.execute(insert(SignInLink).values(sha256=_hash(token), key_sha256=key_sha256, expires_at=expires))
    return token


def use_link(session: Session, token: str) -> str | None:
    """The hash of the key that a link signs in with; None if there is none such, any more. It is used up by that: of
    two browsers that come at the same moment one gets it."""
    taken = delete(SignInLink).where(SignInLink.sha256 == _hash(token), SignInLink.expires_at > now_ms())
    return session.scalars(taken.returning(SignInLink.key_sha256)).one_or_none()


def key_to_sign_in_with(session: Session, tenant: str, key_id: str = "") -> str | None:
    """The hash of a live key of a tenant, by its name: the one that stands in the environment, or else the one that may
    most, the oldest of those.

    Args:
        key_id: the beginning of the key's hash, where another one is wanted.
    """
    rows = session.execute(
        select(ApiKey.sha256, ApiKey.name, ApiKey.scope)
        .join(Tenant, Tenant.id == ApiKey.tenant_id)
        .where(Tenant.name == tenant, ApiKey.revoked_at.is_(None), ApiKey.sha256.startswith(key_id, autoescape=True))
        .order_by(ApiKey.created_at, ApiKey.sha256)
    ).all()
    order = list(Scope)
    best = max(rows, key=lambda row: (row[1] == ENVIRONMENT, order.index(Scope(row[2]))), default=None)
    return None if best is None else str(best[0])


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
