"""The outbox of webhooks: written with what they tell of, sent under a lease, kept with every attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.ids import new_id
from core.states import DeliveryState
from db.clock import now_ms
from db.due import OPEN, choose_due
from db.tables import Delivery, DeliveryAttempt, Tenant
from db.webhook_secrets import previous_secrets

WAITING = (DeliveryState.PENDING, DeliveryState.SENDING)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery that is ours to send until its lease ends."""

    id: str
    token: int
    job_id: str | None
    url: str
    host: str
    body: str
    secret: str
    attempts: int  # before this one
    previous_secrets: tuple[str, ...] = ()  # that still sign


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one try went: an HTTP status, or an error without one."""

    status: int | None
    duration_s: float
    error_code: str | None = None
    error_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What shall be told, and to whom; see `db.announce` for what is said of a job.

    Attributes:
        subject: what it tells of, as a path below /v1, "jobs/ID".
        data: the thin payload of a Standard Webhook: counts and links.
        secret: the receiver's own; None: the tenant's signs.
        job_id: with whose rows it goes; None: it stays until the retention is over.
    """

    tenant_id: str
    url: str
    event: str
    subject: str
    data: Mapping[str, Any]
    secret: str | None = None
    job_id: str | None = None


def enqueue(session: Session, message: Message) -> str:
    """Put a message into the outbox, in the transaction that makes it true; returns the delivery's id."""
    now = session.execute(select(now_ms())).scalar_one()
    time = datetime.fromtimestamp(now / 1000, UTC).isoformat().replace("+00:00", "Z")
    body = {"type": message.event, "timestamp": time, "data": message.data}
    delivery_id = new_id()
    session.execute(
        insert(Delivery).values(
            id=delivery_id,
            job_id=message.job_id,
            tenant_id=message.tenant_id,
            subject=message.subject,
            url=message.url,
            host=urlsplit(message.url).netloc.lower()[:300],
            secret=message.secret,
            event=message.event,
            body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            state=DeliveryState.PENDING,
            next_attempt_at=now,
            created_at=now,
        )
    )
    return delivery_id


def take_due(session: Session, *, limit: int, per_host: int, busy: Mapping[str, int], lease_ms: int) -> list[Outgoing]:
    """Lease up to `limit` deliveries that are due, or whose sender has fallen silent.

    Args:
        per_host: most at a time to one host: a receiver that does not answer holds up nobody but itself.
        busy: how many are on their way to a host already.
    """
    wanted = choose_due(session, limit=limit, per_host=per_host, busy=busy)
    locked = select(Delivery.id, Delivery.state, (Delivery.next_attempt_at <= now_ms()).label("due"))
    rows = session.execute(locked.where(Delivery.id.in_(wanted)).with_for_update(skip_locked=True))
    ids = [row.id for row in rows if row.due and row.state in WAITING]  # as it is now that nobody else can take it
    if not ids:
        return []
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(ids))
        .values(state=DeliveryState.SENDING, token=Delivery.token + 1, next_attempt_at=now_ms() + lease_ms)
    )
    leased = session.execute(
        select(Delivery, Tenant.webhook_secret)
        .join(Tenant, Tenant.id == Delivery.tenant_id)
        .where(Delivery.id.in_(ids))
        .execution_options(populate_existing=True)
    ).all()
    previous = previous_secrets(session, {d.tenant_id for d, _ in leased if not d.secret})
    taken = [
        Outgoing(
            d.id, d.token, d.job_id, d.url, d.host, d.body, d.secret or tenant_secret, d.attempts,
            () if d.secret else previous.get(d.tenant_id, ()),
        )
        for d, tenant_secret in leased
    ]  # fmt: skip
    return sorted(taken, key=lambda sent: wanted.index(sent.id))


def record_attempt(
    session: Session, sent: Outgoing, attempt: Attempt, *, state: DeliveryState, retry_in_ms: int = 0
) -> bool:
    """Write down how a try went and what follows.

    Returns:
        False if the delivery was no longer ours (its lease lapsed, or it was asked for again); the attempt is
        kept all the same, for it did happen.
    """
    there = select(Delivery.id).where(Delivery.id == sent.id).with_for_update(read=True, key_share=True)
    if session.scalars(there).one_or_none() is None:  # its job was removed meanwhile
        return False
    session.execute(
        insert(DeliveryAttempt).values(
            delivery_id=sent.id,
            at=now_ms(),
            status=attempt.status,
            error_code=attempt.error_code,
            error_message=attempt.error_message,
            duration_s=attempt.duration_s,
        )
    )
    changed = session.execute(
        update(Delivery)
        .where(Delivery.id == sent.id, Delivery.token == sent.token, Delivery.state == DeliveryState.SENDING)
        .values(state=state, attempts=Delivery.attempts + 1, next_attempt_at=now_ms() + retry_in_ms)
    )
    return bool(changed.rowcount)  # type: ignore[attr-defined]


def list_deliveries(session: Session, tenant_id: str, job_id: str) -> list[dict[str, Any]]:
    """A job's deliveries with every attempt, oldest first; times in milliseconds."""
    query = select(Delivery).where(Delivery.job_id == job_id, Delivery.tenant_id == tenant_id)
    return _views(session, query.order_by(Delivery.id))


def page_deliveries(
    session: Session,
    tenant_id: str,
    *,
    limit: int,
    before: str | None = None,
    state: str | None = None,
    below: str | None = None,
) -> list[dict[str, Any]]:
    """As `list_deliveries`, a tenant's over everything: newest first, at most `limit`, older than the id `before`;
    with `below`, those whose subject begins so."""
    query = select(Delivery).where(Delivery.tenant_id == tenant_id)
    if below is not None:
        query = query.where(Delivery.subject.startswith(below, autoescape=True))
    if before is not None:
        query = query.where(Delivery.id < before)
    if state is not None:
        query = query.where(Delivery.state == state)
    return _views(session, query.order_by(Delivery.id.desc()).limit(limit))


def _views(session: Session, query: Select[Delivery]) -> list[dict[str, Any]]:
    deliveries = session.scalars(query.execution_options(populate_existing=True)).all()
    ids = [delivery.id for delivery in deliveries]
    attempts: dict[str, list[dict[str, Any]]] = {key: [] for key in ids}
    for row in session.scalars(
        select(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(ids)).order_by(DeliveryAttempt.id)
    ):
        error = {"code": row.error_code, "message": row.error_message} if row.error_code else None
        attempts[row.delivery_id].append(
            {"at": row.at, "status": row.status, "error": error, "duration_s": row.duration_s}
        )
    return [_view(delivery, attempts[delivery.id]) for delivery in deliveries]


def _view(delivery: Delivery, attempts: list[dict[str, Any]]) -> dict[str, Any]:
    waiting = delivery.state in WAITING
    return {
        "id": delivery.id,
        "job_id": delivery.job_id,
        "subject": delivery.subject,
        "url": delivery.url,
        "event": delivery.event,
        "state": delivery.state,
        "created_at": delivery.created_at,
        "next_attempt_at": delivery.next_attempt_at if waiting else None,
        "attempts": attempts,
    }


def redeliver(session: Session, tenant_id: str, delivery_id: str) -> dict[str, Any]:
    """Send a delivery again, now, with the whole schedule before it.

    Raises:
        NotFound: `delivery_not_found`.
    """
    mine = (Delivery.id == delivery_id, Delivery.tenant_id == tenant_id)
    session.execute(
        update(Delivery)
        .where(*mine)
        .values(state=DeliveryState.PENDING, attempts=0, token=Delivery.token + 1, next_attempt_at=now_ms())
    )
    found = _views(session, select(Delivery).where(*mine))
    if not found:
        raise NotFound("delivery_not_found", f"There is no delivery {delivery_id}.")
    return found[0]


def oldest_due_ms(session: Session) -> int | None:
    """When the delivery that has waited longest became due, or None."""
    return session.scalars(
        select(Delivery.next_attempt_at)
        .where(OPEN, Delivery.next_attempt_at <= now_ms())
        .order_by(Delivery.next_attempt_at)
        .limit(1)
    ).first()
