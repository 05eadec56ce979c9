"""What GET /v1/tasks says of options is what is accepted."""

from __future__ import annotations

import itertools
from typing import Any

import jsonschema_rs
import pytest

from core.errors import RequestError
from core.tasks import TASKS


def accepted(task: str, options: dict[str, Any]) -> bool:
    try:
        TASKS[task].parse_options(options, "/options")
    except RequestError:
        return False
    return True


def fits(task: str, options: dict[str, Any]) -> bool:
    schema = TASKS[task].options.model_json_schema()
    return bool(jsonschema_rs.is_valid(schema, options))


def test_candidates_and_beams() -> None:
    for beams, candidates in itertools.product((None, *range(10)), repeat=2):
        given = {"beam_size": beams, "candidates": candidates}
        options = {name: value for name, value in given.items() if value is not None}
        assert fits("caption", options) == accepted("caption", options), options
        in_range = all(1 <= value <= 8 for value in options.values())
        assert accepted("caption", options) == (in_range and (candidates or 1) <= (beams or 4)), options


@pytest.mark.parametrize(
    ("vocabulary", "good"),
    [
        ("photos", True), ("open-images", True), ("birds", False), ("", False), ([], False), (["a"], True),
        ([""], False), (["a" * 100], True), (["a" * 101], False), (["a"] * 1000, True), (["a"] * 1001, False),
        (["a\0b"], False), (["\n"], True),
        ([1], False), ([["a"]], False), (None, False), ({}, False), (7, False), (["a", None], False),
    ],
)  # fmt: skip
def test_vocabularies(vocabulary: Any, good: bool) -> None:
    options = {"vocabulary": vocabulary}
    assert fits("tag", options) == accepted("tag", options) == good


@pytest.mark.parametrize("task", TASKS)
def test_every_option_has_a_default_and_a_description(task: str) -> None:
    assert accepted(task, {})
    assert not accepted(task, {"no_such_option": 1})
    schema = TASKS[task].options.model_json_schema()
    assert all("description" in field and "default" in field for field in schema["properties"].values())
