"""Tables of who may come in beside the keys themselves: what signs sessions, links that sign in, jobs of visitors."""

from __future__ import annotations

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from db.tables import Base, Id


class ServerSecret(Base):
    """A secret that was made once and that all processes of the API share, by what it is for."""

    __tablename__ = "server_secrets"
    purpose: Mapped[str] = mapped_column(String(64), primary_key=True)
    secret: Mapped[str]
    created_at: Mapped[int]


class SignInLink(Base):
    """A link that signs in once, by the SHA-256 of its token. The row goes when it is used."""

    __tablename__ = "sign_in_links"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    key_sha256: Mapped[str] = mapped_column(ForeignKey("api_keys.sha256", ondelete="CASCADE"), index=True)
    expires_at: Mapped[int]


class VisitorJob(Base):
    """A job of the public demo, and whose browser made it, by the SHA-256 of what its cookie holds."""

    __tablename__ = "visitor_jobs"
    job_id: Mapped[str] = mapped_column(Id, ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    visitor_sha256: Mapped[str] = mapped_column(String(64), index=True)
