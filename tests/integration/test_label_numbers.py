"""Labels get their numbers at a cost that grows with their count, on the way of every chunk of a library."""

from __future__ import annotations

import json

import pytest

from db.engine import Database
from db.labels import AT_A_TIME, labels_of, number_labels
from db.output_code import Entry

ENTRIES: list[Entry] = [(f"label {n}", json.dumps({"wnid": f"n{n}"})) for n in range(AT_A_TIME)]
STEPS_EACH = 150  # of SQLite's machine


def test_the_same_label_with_something_else_beside_it_is_another(database: Database) -> None:
    entries = [("dog", ""), ("dog", '{"wnid":"n1"}'), ("cat", '{"wnid":"n1"}'), ("cat", "")]
    with database.write() as session:
        first = number_labels(session, entries[:3])
        assert labels_of(session, first.values()) == {number: entry for entry, number in first.items()}
        found = number_labels(session, entries)
        assert found.items() >= first.items()
        assert len(set(found.values())) == 4


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_labels_that_each_have_a_key_of_their_own_are_looked_up_once_each(database: Database) -> None:
    """Fails if each label were looked for with the keys of all others: 160,000 look-ups for the 400 of a chunk."""
    with database.write() as session:
        number_labels(session, ENTRIES)
        steps = 0

        def count() -> int:
            nonlocal steps
            steps += 1
            return 0

        driver = session.connection().connection.driver_connection
        assert driver is not None
        driver.set_progress_handler(count, 100)
        found = number_labels(session, ENTRIES)
        driver.set_progress_handler(None, 0)
    assert len(found) == len(ENTRIES)
    assert 100 * steps < STEPS_EACH * len(ENTRIES)
