"""Values out of JSON that looks alike, by filling in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core import json_shapes
from core.json_shapes import ShapedReader


def wanted(document: Any) -> list[Any]:
    return [document.get("label", ""), document.get("score"), json.dumps(document, sort_keys=True)]


def show(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def properly(text: str) -> list[str]:
    return [show(value) for value in wanted(json.loads(text))]


TEXTS = [
    {"score": 0.5, "label": "tabby"}, {"score": -1.5e-07, "label": 'a "cat"'}, {"label": "x", "score": 1},
    {"score": 5, "label": ': "x", {"y": 3}'}, {"label": "\\", "score": "high"}, {"label": {"a": 1}}, {"score": None},
    {"a: 5": 1}, {"words": ["x: ", "y", ": 5", "@@1@@"]}, {"label": "@@0@@"},
    {"label": True, "deep": [{"b": [], "a": {"c": "d"}}]},
]  # fmt: skip


@pytest.mark.parametrize("document", TEXTS, ids=range(len(TEXTS)))
def test_a_text_filled_in_is_one_that_was_parsed(document: dict[str, Any]) -> None:
    """The second time too, with other scalars: the first one teaches the shape."""
    reader = ShapedReader(wanted, show, odd="\\u")
    for text in (
        json.dumps(document),
        json.dumps(document).replace("5", "77"),
        json.dumps({**document, "label": "%s"}),
    ):
        for _ in range(2):
            assert reader.texts(text) == properly(text)


def test_texts_of_one_shape_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails if nothing is gained."""
    read: list[Any] = []
    reader = ShapedReader(lambda document: read.append(document) or wanted(document), show, odd="\\u")
    for number in range(50):
        reader.texts(json.dumps({"score": number / 7, "label": f"label {number}"}))
    assert len(read) == 1


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_shapes, "ROOM", 100)
    reader = ShapedReader(wanted, show, odd="\\u")
    for number in range(40):
        text = json.dumps({f"name{number}": 1})
        assert reader.texts(text) == properly(text)
    assert sum(map(len, reader._plans)) <= 100


def test_an_odd_text_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Escapes of what is not ASCII must not be taken over as they are."""
    reader = ShapedReader(lambda document: [json.dumps(document, ensure_ascii=False)], show, odd="\\u")
    assert reader.texts('{"label": "caf\\u00e9"}') == ['{"label": "café"}']
