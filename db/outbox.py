"""The outbox of webhooks: written with the job's last result, sent under a lease, kept with every attempt."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session

from core.errors import NotFound
from core.ids import new_id
from core.outbound.links import job_links
from core.states import DeliveryState
from db.clock import now_ms
from db.tables import Delivery, DeliveryAttempt, Job, Tenant
from db.webhook_secrets import previous_secrets


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A delivery that is ours to send until its lease ends."""

    id: str
    token: int
    job_id: str
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


def enqueue(session: Session, job: Job) -> None:
    """Write the webhook of a job that has just finished, if it asked for one; same transaction as the finish."""
    if job.webhook_url is None:
        return
    now = session.execute(select(now_ms())).scalar_one()
    counts = {
        "total": job.total,
        "succeeded": job.succeeded,
        "failed": job.failed,
        "cancelled": job.cancelled,
    }
    body = {
        "type": f"job.{job.state}",
        "timestamp": datetime.fromtimestamp(now / 1000, UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "id": job.id,
            "name": job.name,
            "metadata": job.meta,
            "state": job.state,
            "counts": {**counts, "pending": 0},
            "links": job_links(job.id, job.base_url),
        },
    }
    session.execute(
        insert(Delivery).values(
            id=new_id(),
            job_id=job.id,
            tenant_id=job.tenant_id,
            url=job.webhook_url,
            host=urlsplit(job.webhook_url).netloc.lower()[:300],
            event=body["type"],
            body=json.dumps(body, ensure_ascii=False, separators=(",", ":")),
            state=DeliveryState.PENDING,
            next_attempt_at=now,
            created_at=now,
        )
    )


def take_due(session: Session, *, limit: int, per_host: int, busy: Mapping[str, int], lease_ms: int) -> list[Outgoing]:
    """Lease up to `limit` deliveries that are due, or whose sender has fallen silent.

    Args:
        per_host: most at a time to one host: a receiver that does not answer holds up nobody but itself.
        busy: how many are on their way to a host already.
    """
    is_due = (
        Delivery.state.in_([DeliveryState.PENDING, DeliveryState.SENDING]),
        Delivery.next_attempt_at <= now_ms(),
        Delivery.host.not_in([host for host, count in busy.items() if count >= per_host]),
    )
    place = func.row_number().over(partition_by=Delivery.host, order_by=Delivery.next_attempt_at)
    ranked = select(Delivery.id, Delivery.host, place.label("place")).where(*is_due).subquery()
    first = session.execute(
        select(ranked.c.id, ranked.c.host, ranked.c.place).where(ranked.c.place <= per_host).limit(limit)
    )
    wanted = [row.id for row in first if row.place <= per_host - busy.get(row.host, 0)]
    locked = select(Delivery.id).where(Delivery.id.in_(wanted), *is_due).with_for_update(skip_locked=True)
    ids = session.scalars(locked).all()
    if not ids:
        return []
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(ids))
        .values(state=DeliveryState.SENDING, token=Delivery.token + 1, next_attempt_at=now_ms() + lease_ms)
    )
    rows = session.execute(
        select(Delivery, Job.webhook_secret, Tenant.webhook_secret)
        .join(Job, Job.id == Delivery.job_id)
        .join(Tenant, Tenant.id == Delivery.tenant_id)
        .where(Delivery.id.in_(ids))
    ).all()
    previous = previous_secrets(session, {d.tenant_id for d, job_secret, _ in rows if not job_secret})
    return [
        Outgoing(
            d.id, d.token, d.job_id, d.url, d.host, d.body, job_secret or tenant_secret, d.attempts,
            () if job_secret else previous.get(d.tenant_id, ()),
        )
        for d, job_secret, tenant_secret in rows
    ]  # fmt: skip


def record_attempt(
    session: Session, sent: Outgoing, attempt: Attempt, *, state: DeliveryState, retry_in_ms: int = 0
) -> bool:
    """Write down how a try went and what follows.

    Returns:
        False if the delivery was no longer ours (its lease lapsed, or it was asked for again); the attempt is
        kept all the same, for it did happen.
    """
    if session.get(Delivery, sent.id) is None:  # its job was removed meanwhile
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
    where = (Delivery.job_id == job_id, Delivery.tenant_id == tenant_id)
    deliveries = session.scalars(select(Delivery).where(*where).order_by(Delivery.id)).all()
    ids = [delivery.id for delivery in deliveries]
    attempts: dict[str, list[dict[str, Any]]] = {key: [] for key in ids}
    for row in session.scalars(
        select(DeliveryAttempt).where(DeliveryAttempt.delivery_id.in_(ids)).order_by(DeliveryAttempt.id)
    ):
        error = {"code": row.error_code, "message": row.error_message} if row.error_code else None
        attempts[row.delivery_id].append(
            {"at": row.at, "status": row.status, "error": error, "duration_s": row.duration_s}
        )
    return [_delivery_view(d, attempts[d.id]) for d in deliveries]


def _delivery_view(delivery: Delivery, attempts: list[dict[str, Any]]) -> dict[str, Any]:
    waiting = delivery.state in (DeliveryState.PENDING, DeliveryState.SENDING)
    return {
        "id": delivery.id,
        "job_id": delivery.job_id,
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
    changed = session.execute(
        update(Delivery)
        .where(Delivery.id == delivery_id, Delivery.tenant_id == tenant_id)
        .values(state=DeliveryState.PENDING, attempts=0, token=Delivery.token + 1, next_attempt_at=now_ms())
        .returning(Delivery.job_id)
    ).scalar_one_or_none()
    if changed is None:
        raise NotFound("delivery_not_found", f"There is no delivery {delivery_id}.")
    views = list_deliveries(session, tenant_id, changed)
    return next(view for view in views if view["id"] == delivery_id)


def oldest_due_ms(session: Session) -> int | None:
    """When the delivery that has waited longest became due, or None."""
    waiting = or_(Delivery.state == DeliveryState.PENDING, Delivery.state == DeliveryState.SENDING)
    return session.scalars(
        select(Delivery.next_attempt_at)
        .where(waiting, Delivery.next_attempt_at <= now_ms())
        .order_by(Delivery.next_attempt_at)
        .limit(1)
    ).first()
