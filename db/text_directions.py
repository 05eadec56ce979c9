"""Where texts point in a tagger's space: asked for by searches, answered by workers, kept for a while."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.clock import current_ms
from db.ledger_tables import TextDirection
from db.upsert import insert_into

ASKED_AT_A_TIME = 32


def ask_direction(session: Session, model: str, text: str) -> int:
    """Ask where a text points; returns the question's number. One that failed is asked anew."""
    now = current_ms(session)
    sha256 = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    question = insert_into(session, TextDirection).values(model=model, text_sha256=sha256, text=text, asked_at=now)
    anew = {"asked_at": now, "error_code": None, "error_message": None}
    session.execute(question.on_conflict_do_update(index_elements=["model", "text_sha256"], set_=anew))
    mine = (TextDirection.model == model, TextDirection.text_sha256 == sha256)
    return session.scalars(select(TextDirection.id).where(*mine)).one()


def find_direction(session: Session, question: int) -> TextDirection | None:
    """A question with its answer, if there is one yet."""
    return session.get(TextDirection, question, populate_existing=True)


def open_questions(session: Session) -> Sequence[tuple[int, str, str]]:
    """Number, model and text of questions that nobody has answered, the oldest first."""
    unanswered = (TextDirection.direction.is_(None), TextDirection.error_code.is_(None))
    query = select(TextDirection.id, TextDirection.model, TextDirection.text).where(*unanswered)
    rows = session.execute(query.order_by(TextDirection.asked_at).limit(ASKED_AT_A_TIME))
    return [(row.id, row.model, row.text) for row in rows]


def answer_question(
    session: Session, question: int, direction: bytes | None, error: tuple[str, str] | None = None
) -> None:
    """Write where a text points, float32, or why nobody can tell."""
    code, message = error or (None, None)
    session.execute(
        update(TextDirection)
        .where(TextDirection.id == question)
        .values(direction=direction, error_code=code, error_message=message)
    )
