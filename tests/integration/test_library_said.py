"""What the database leaves out of a search for words is not there by the rules of the search."""

from __future__ import annotations

import re

from sqlalchemy import Text, cast, literal, make_url, select

from db.engine import Database
from db.labels import fold
from db.library_said import _may_hold
from db.upsert import on_sqlite

TEXTS = (
    "IMG_1.jpg", "img_1.jpg", "50%.jpg", "a/b.jpg", "ISTANBUL", "\u0130STANBUL", "\u212a2.jpg", "back\\slash", 'a"b',
)  # fmt: skip
WORDS = ("img", "i", "img_1", "_", "%", "a/b", "istanbul", "k2", "jpg")


def test_texts_that_hold_a_word_are_found(database: Database) -> None:
    with database.read() as session:
        for text in TEXTS:
            for word in WORDS:
                column = cast(literal(text), Text)
                found = session.scalars(select(_may_hold(column, word, on_sqlite(session)))).one()
                assert found or word not in fold(text), (text, word)


def test_the_language_of_a_database_does_not_matter() -> None:
    """Fails if IMG_1.jpg were not found in Turkey, where the lower case of I is no i. Asked of the statement: the
    PostgreSQL of the tests speaks no Turkish."""
    asked = _may_hold(cast(literal("IMG_1.jpg"), Text), "img", sqlite=False)
    assert re.search(
        r'lower\(.* COLLATE "C"\) LIKE', str(asked.compile(dialect=make_url("postgresql+psycopg://").get_dialect()()))
    )
