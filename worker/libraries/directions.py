"""Telling searches where their words point in a tagger's space."""

from __future__ import annotations

import logging

import numpy as np

from core.errors import TaglineError
from db.text_directions import answer_question, open_questions
from worker.chunk.context import WorkerContext

log = logging.getLogger(__name__)


def answer_questions(context: WorkerContext) -> None:
    """Answer the questions that are open now."""
    with context.database.read() as session:
        questions = open_questions(session)
    for number, model, text in questions:
        direction, error = _direction(context, model, text)
        with context.database.write() as session:
            answer_question(session, number, direction, error)


def _direction(context: WorkerContext, model: str, text: str) -> tuple[bytes | None, tuple[str, str] | None]:
    try:
        tagger = context.models.get("tag", model).model
        point = getattr(tagger, "direction", None)
        if point is None:
            return None, ("search_unsupported", f"{model} cannot tell where words point.")
        return np.asarray(point(text), "<f4").tobytes(), None
    except TaglineError as error:
        return None, (error.code, error.message)
    except Exception:
        log.exception("a text has no direction", extra={"model": model})
        return None, ("internal_error", "The tagger failed on these words; the worker's log says why.")
