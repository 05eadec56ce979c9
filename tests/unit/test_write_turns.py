"""Threads of a process take turns at SQLite's one writer, whatever becomes of those before them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import event, text

from db.engine import Database, Unavailable


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path}/turns.db")
    with made.write() as session:
        session.execute(text("CREATE TABLE numbers (n INTEGER)"))
    return made


def test_a_writer_asks_sqlite_for_nothing_before_its_turn(database: Database) -> None:
    """Else it sleeps in SQLite, up to a tenth of a second after the other is done."""
    asked = threading.Event()
    main = threading.get_ident()

    def note(*_: object) -> None:
        if threading.get_ident() != main:
            asked.set()

    def write() -> None:
        with database.write() as session:
            session.execute(text("INSERT INTO numbers VALUES (2)"))

    event.listen(database.engine, "before_cursor_execute", note)
    other = threading.Thread(target=write)
    with database.write() as session:
        other.start()
        session.execute(text("INSERT INTO numbers VALUES (1)"))
        assert not asked.wait(0.2)
    other.join(180)
    assert asked.is_set()
    with database.read() as session:
        assert session.scalars(text("SELECT n FROM numbers ORDER BY rowid")).all() == [1, 2]
    database.close()


def test_one_that_fails_leaves_the_turn_to_the_next(database: Database) -> None:
    with pytest.raises(Unavailable, match="nowhere"), database.write() as session:
        session.execute(text("INSERT INTO nowhere VALUES (1)"))
    with database.write() as session:
        session.execute(text("INSERT INTO numbers VALUES (1)"))
    with pytest.raises(KeyError), database.write() as session:
        raise KeyError
    with database.write() as session:
        assert session.scalar(text("SELECT count(*) FROM numbers")) == 1
    database.close()
