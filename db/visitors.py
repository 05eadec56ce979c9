"""The public demo's rows: a tenant of its own, which visitor made which job, and how long that is kept."""

from __future__ import annotations

import hashlib

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from core.ids import new_id
from db.access_tables import VisitorJob
from db.clock import now_ms
from db.tables import Result, Tenant
from db.upsert import insert_into

PUBLIC_TENANT = "public"
KEPT_DAYS = 1.0
_MOST_RESULTS = 1_000  # of a visitor's, in which a photo is looked for


def ensure_public_tenant(session: Session, webhook_secret: str) -> str:
    """The id of the tenant that strangers' jobs belong to. It has no key, unless the operator makes one."""
    values = {"id": new_id(), "name": PUBLIC_TENANT, "webhook_secret": webhook_secret, "created_at": now_ms()}
    session.execute(insert_into(session, Tenant).values(**values).on_conflict_do_nothing(index_elements=["name"]))
    return session.scalars(select(Tenant.id).where(Tenant.name == PUBLIC_TENANT)).one()


def find_public_tenant(session: Session) -> str | None:
    """The id of the visitors' tenant; None if there was no visitor yet."""
    return session.scalars(select(Tenant.id).where(Tenant.name == PUBLIC_TENANT)).one_or_none()


def kept_bytes(session: Session) -> int:
    """What the photos of all visitors take."""
    return session.scalars(select(Tenant.upload_bytes).where(Tenant.name == PUBLIC_TENANT)).one_or_none() or 0


def note_visit(session: Session, job_id: str, visitor: str) -> None:
    """Write down whose job it is."""
    session.execute(insert(VisitorJob).values(job_id=job_id, visitor_sha256=_hash(visitor)))


def is_job_of(session: Session, job_id: str, visitor: str) -> bool:
    """Whether a visitor made a job."""
    mine = select(VisitorJob.job_id).where(VisitorJob.job_id == job_id, VisitorJob.visitor_sha256 == _hash(visitor))
    return session.execute(mine).first() is not None


def had_photo(session: Session, sha256: str, visitor: str) -> bool:
    """Whether a photo is in a visitor's results."""
    media = (
        select(Result.media)
        .join(VisitorJob, VisitorJob.job_id == Result.job_id)
        .where(VisitorJob.visitor_sha256 == _hash(visitor), Result.media.is_not(None))
        .order_by(Result.job_id.desc())
        .limit(_MOST_RESULTS)
    )
    return any(one is not None and one.get("sha256") == sha256 for one in session.scalars(media))


def _hash(visitor: str) -> str:
    return hashlib.sha256(visitor.encode()).hexdigest()
