"""Secrets that are made once and kept, so that all processes of the API share them."""

from __future__ import annotations

import secrets

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.access_tables import ServerSecret
from db.clock import now_ms
from db.upsert import insert_into


def known_secret(session: Session, purpose: str) -> str | None:
    """The secret for a purpose, if it was made."""
    return session.scalars(select(ServerSecret.secret).where(ServerSecret.purpose == purpose)).one_or_none()


def ensure_secret(session: Session, purpose: str) -> str:
    """The secret for a purpose; of processes that make one at the same moment, the first one's."""
    made = {"purpose": purpose, "secret": secrets.token_urlsafe(32), "created_at": now_ms()}
    session.execute(insert_into(session, ServerSecret).values(**made).on_conflict_do_nothing())
    return session.scalars(select(ServerSecret.secret).where(ServerSecret.purpose == purpose)).one()
