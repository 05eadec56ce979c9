"""What is shown of the labels that came and went goes by the scores that stand at the photos."""

from __future__ import annotations

import pytest

from db.engine import Database
from db.labels import number_labels
from db.ledger import find_recipe, find_spec, write_entries
from db.library_sure import SureLabels
from db.library_tables import LibraryChange
from db.output_code import encode_numbers

SHA = b"\x01" * 32


@pytest.mark.parametrize("sure", ["classify", "tag"])
def test_a_label_that_two_tasks_give_counts_as_the_surer_has_it(database: Database, tenant: str, sure: str) -> None:
    """Fails if the task that is read last had the last word: the label stands at the photo with the better score."""
    with database.write() as session:
        numbers = number_labels(session, [("dog", ""), ("cat", ""), ("leash", "")])
        dog, cat, leash = (numbers[label, ""] for label in ("dog", "cat", "leash"))
        recipes = {task: find_recipe(session, tenant, task, "m@1", {}) for task in ("classify", "tag")}
        spec = find_spec(session, tenant, recipes.values())
        scores = {task: 0.9 if task == sure else 0.1 for task in recipes}
        bodies = {
            (SHA, recipe): encode_numbers([cat, dog, leash], [0.95, scores[task], 0.2], {})
            for task, recipe in recipes.items()
        }
        write_entries(session, bodies)
        change = LibraryChange(after_sha256=SHA, after_spec=spec)
        assert list(SureLabels(session, [change], 0.5).came(change, [dog, leash, cat])) == [cat, dog]


def test_a_label_whose_score_is_forgotten_is_shown(database: Database, tenant: str) -> None:
    """Fails if labels of a task were left out because the ledger still knows those of another."""
    with database.write() as session:
        numbers = number_labels(session, [("dog", ""), ("cat", "")])
        dog, cat = numbers["dog", ""], numbers["cat", ""]
        recipes = {task: find_recipe(session, tenant, task, "m@1", {}) for task in ("classify", "tag")}
        spec = find_spec(session, tenant, recipes.values())
        write_entries(session, {(SHA, recipes["tag"]): encode_numbers([cat], [0.7], {})})
        change = LibraryChange(before_sha256=SHA, before_spec=spec)
        assert set(SureLabels(session, [change], 0.5).went(change, [cat, dog])) == {cat, dog}
