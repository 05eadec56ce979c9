"""The secrets that sign a tenant's webhooks: its present one, and for a while those that it replaced.

A receiver that has not heard of the new one yet still finds a signature that it can verify: Standard Webhooks allows
several in one message.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.orm import Session

from core.errors import RequestError
from core.outbound.signing import check_secret
from db.clock import now_ms
from db.keys import FIRST_TENANT
from db.tables import PreviousSecret, Tenant

_HOUR_MS = 3_600_000


def use_secret(session: Session, secret: str, overlap_hours: float) -> list[str]:
    """Let `secret` sign for the first tenant, the one that the settings' secret and key belong to.

    What it replaces signs, too, for `overlap_hours`. Other tenants have secrets of their own, and keep them.

    Returns:
        What happened, for the operator; empty if nothing did.
    """
    session.execute(delete(PreviousSecret).where(PreviousSecret.signs_until <= now_ms()))
    tenant = session.execute(select(Tenant).where(Tenant.name == FIRST_TENANT).with_for_update()).scalar_one()
    old = tenant.webhook_secret
    if old == secret:
        return []
    session.execute(update(Tenant).where(Tenant.id == tenant.id).values(webhook_secret=secret))
    known = (PreviousSecret.tenant_id == tenant.id, PreviousSecret.secret.in_([secret, old]))
    session.execute(delete(PreviousSecret).where(*known))
    if overlap_hours <= 0 or not _usable(old):
        return ["TAGLINE_WEBHOOK_SECRET has changed: webhooks are signed with the new one alone"]
    until: int = session.execute(select(now_ms())).scalar_one() + round(overlap_hours * _HOUR_MS)
    session.execute(insert(PreviousSecret).values(tenant_id=tenant.id, secret=old, signs_until=until))
    shown = datetime.fromtimestamp(until / 1000, UTC)
    return [f"TAGLINE_WEBHOOK_SECRET has changed: the old one signs, too, until {shown:%Y-%m-%d %H:%M} UTC"]


def previous_secrets(session: Session, tenant_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """By tenant, the replaced secrets that still sign, the latest first."""
    rows = session.execute(
        select(PreviousSecret.tenant_id, PreviousSecret.secret)
        .where(PreviousSecret.tenant_id.in_(tenant_ids), PreviousSecret.signs_until > now_ms())
        .order_by(PreviousSecret.signs_until.desc(), PreviousSecret.id.desc())
    )
    found: dict[str, tuple[str, ...]] = {}
    for tenant_id, secret in rows:
        found[tenant_id] = (*found.get(tenant_id, ()), secret)
    return found


def previous_until_ms(session: Session, tenant_id: str) -> int | None:
    """Until when a replaced secret of a tenant's still signs; None if none does."""
    return session.execute(
        select(func.max(PreviousSecret.signs_until)).where(
            PreviousSecret.tenant_id == tenant_id, PreviousSecret.signs_until > now_ms()
        )
    ).scalar_one()


def _usable(secret: str) -> bool:
    """Whether it can sign: earlier versions stored whatever they were given."""
    try:
        check_secret(secret)
    except RequestError:
        return False
    return True
