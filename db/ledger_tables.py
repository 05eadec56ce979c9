"""The tables of the ledger: what models said of bytes, once for all who ask, and the numbers it is written in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.tables import Base, BigId

OPEN_QUESTION = text("direction IS NULL AND error_code IS NULL")


class Label(Base):
    """A label's number. `extra` is what stands beside it in an output but for its score, as JSON; "" for nothing."""

    __tablename__ = "labels"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    label: Mapped[str]
    extra: Mapped[str]
    folded: Mapped[str] = mapped_column(index=True)  # as labels are compared: see db.labels.fold
    __table_args__ = (Index("ux_labels", "label", "extra", unique=True),)


class Recipe(Base):
    """How an output is made: a task, a model NAME@VERSION and options, for one tenant. Where variants are told apart,
    which a setting asks for, the model is NAME@VERSION/VARIANT.

    A tenant has recipes of its own, so that nobody learns from a look-up which photos somebody else has.
    """

    __tablename__ = "recipes"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    task: Mapped[str] = mapped_column(String(32))
    model: Mapped[str] = mapped_column(String(200))
    options_sha256: Mapped[str] = mapped_column(String(64))
    options: Mapped[dict[str, Any]]
    __table_args__ = (Index("ux_recipes", "tenant_id", "task", "model", "options_sha256", unique=True),)


class Spec(Base):
    """A set of recipes, one a task: what a photo is made with. `recipes` are their numbers, sorted, "3,7"."""

    __tablename__ = "specs"
    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("tenants.id", ondelete="CASCADE"))
    recipes: Mapped[str] = mapped_column(String(200))
    __table_args__ = (Index("ux_specs", "tenant_id", "recipes", unique=True),)


class LedgerEntry(Base):
    """What a recipe gives for some bytes; see db.output_code for how `body` is written. An embedding is an entry too,
    of a recipe whose task is `EMBEDDING`."""

    __tablename__ = "ledger"
    sha256: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    recipe: Mapped[int] = mapped_column(Integer, primary_key=True)
    made_on: Mapped[int] = mapped_column(Integer)  # days since 1970-01-01
    body: Mapped[bytes] = mapped_column(LargeBinary)


class TextDirection(Base):
    """Where a text points in a tagger's space: asked for by a search, answered by a worker."""

    __tablename__ = "text_directions"
    id: Mapped[int] = mapped_column(BigId, primary_key=True)
    model: Mapped[str] = mapped_column(String(200))
    text_sha256: Mapped[str] = mapped_column(String(64))
    text: Mapped[str]
    asked_at: Mapped[int]
    direction: Mapped[bytes | None] = mapped_column(LargeBinary)  # float32 [size + 1]; null: not answered yet
    error_code: Mapped[str | None] = mapped_column(String(64))
    error_message: Mapped[str | None]
    __table_args__ = (
        Index("ux_text_directions", "model", "text_sha256", unique=True),
        Index("ix_text_directions_asked", "asked_at"),
        Index("ix_text_directions_open", "asked_at", sqlite_where=OPEN_QUESTION, postgresql_where=OPEN_QUESTION),
    )
