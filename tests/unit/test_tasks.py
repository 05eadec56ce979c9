"""What GET /v1/tasks says of options is what is accepted."""

from __future__ import annotations

import itertools
import json
from typing import Any

import jsonschema_rs
import pytest

from core.errors import ItemError, RequestError
from core.tasks import TASKS, CaptionOptions, read_options


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


@pytest.mark.parametrize("task", TASKS)
def test_options_are_read_as_they_were_stored(task: str) -> None:
    """The worker reads once a chunk what the API has stored as JSON: with defaults, and whole numbers for floats."""
    assert read_options(task, json.loads(json.dumps(TASKS[task].parse_options({}, "/options")))) == read_options(
        task, {}
    )
    assert read_options(task, {}) == TASKS[task].options()


def test_stored_options_that_this_version_does_not_know_have_a_code() -> None:
    assert read_options("caption", {"beam_size": 2}) == CaptionOptions(beam_size=2)
    assert read_options("classify", {"threshold": 0}).model_dump() == {"top_k": 5, "threshold": 0}
    for task, stored in (("caption", {"beam_size": 9}), ("tag", {"colour": "red"}), ("nothing", {"top_k": 1})):
        with pytest.raises(ItemError, match=f"cannot read the job's options: .* at {task}/") as caught:
            read_options(task, stored)
        assert (caught.value.code, caught.value.permanent) == ("option_invalid", False)
