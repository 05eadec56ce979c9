"""Looking for words in keys and captions in the database, which knows nothing of how labels and words are compared."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, Text, cast, collate, exists, func, literal, or_, select
from sqlalchemy.orm import Session

from db.ledger_tables import LedgerEntry, Recipe
from db.library_tables import LibraryPhoto
from db.output_code import HEAD
from db.upsert import on_sqlite

# Such a word is in a text of ASCII just if it is in its lower case; JSON writes it as it stands.
_PLAIN = re.compile(r"[!#-\[\]-~]+")
_NO_LABELS = b"\0\0"


def may_say(session: Session, tenant_id: str, words: Iterable[str]) -> list[ColumnElement[bool]]:
    """SQL: for each word, that it may be in a photo's key or caption; whoever asks looks again.

    Texts with anything but ASCII may say anything, and words of anything but ASCII may be anywhere: the sign for Kelvin
    is a "k".
    """
    photo, entry = LibraryPhoto, LedgerEntry
    sqlite = on_sqlite(session)
    written = cast(func.substr(entry.body, HEAD.size + 1), Text) if sqlite else _escaped(entry.body)
    has_labels = func.substr(entry.body, HEAD.size - 1, 2) != literal(_NO_LABELS, LargeBinary)
    captions = select(Recipe.id).where(Recipe.tenant_id == tenant_id, Recipe.task == "caption")
    mine = (entry.sha256 == func.coalesce(photo.shown, photo.sha256), entry.recipe.in_(captions))
    found = []
    for word in filter(_PLAIN.fullmatch, words):
        said = or_(has_labels, _may_hold(written, word, sqlite))
        texts = (_may_hold(column, word, sqlite) for column in (photo.key, photo.caption))
        found.append(or_(*texts, exists().where(*mine, said)))
    return found


def _may_hold(text: Any, word: str, sqlite: bool) -> ColumnElement[bool]:
    is_odd = text.op("GLOB")("*[^ -~]*") if sqlite else text.op("~")(r"[^ -\[\]-~]")  # see `_escaped`
    lower = func.lower(text if sqlite else collate(text, "C"))  # in a Turkish database the lower case of I is no i
    return or_(lower.contains(word, autoescape=True), is_odd)


def _escaped(body: Any) -> ColumnElement[str]:
    """On PostgreSQL, which makes no text of just any bytes: those that are no ASCII become backslashes and numbers."""
    return func.encode(func.substr(body, HEAD.size + 1), "escape")
