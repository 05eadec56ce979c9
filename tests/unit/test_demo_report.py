"""What the demo shows fits the terminal, says everything that was found, and never steers the terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from cli.demo.report import print_photos, print_texts

WORDS = ("cat", "kitten", "whiskers", "animal", "pet", "fur", "domestic cat", "tabby")
TEXTS = {"1": "A lovely, funny film with a cast that never puts a foot wrong, or so the critics say.", "2": "\x1b[31m"}


def labels(*names: str) -> dict[str, Any]:
    return {"labels": [{"label": name, "score": 0.9 - at / 20} for at, name in enumerate(names)]}


def photo(**outputs: Any) -> dict[str, Any]:
    return {"id": "cat.jpg", "input": {"s3": "s3://photos/cat.jpg"}, "error": None, "outputs": outputs or None}


def printed(function: Any, *values: Any, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    function(*values, console)
    return str(console.file.getvalue()).splitlines()  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 120])
def test_a_photo_with_caption_tags_and_classes(width: int) -> None:
    said = {"text": "a cat is looking at the camera", "score": 0.4123}
    lines = printed(
        print_photos, [photo(classify=labels("Egyptian cat", "tabby"), caption=said, tag=labels(*WORDS))], width=width
    )
    assert max(map(len, lines)) <= width
    assert lines[1].strip() == "cat.jpg  by s3"
    assert lines[2].split() == ["caption", "“a", *["cat", "is", "looking", "at", "the"], "camera”", "0.41"]
    shown = " ".join(" ".join(lines).split())
    assert all(f"{word} {0.9 - at / 20:.2f}" in shown for at, word in enumerate(WORDS))
    assert lines.index(next(line for line in lines if "classes" in line)) > lines.index(
        next(line for line in lines if "tags" in line)
    )


def test_what_failed_says_why() -> None:
    failed = {**photo(), "error": {"code": "image_truncated", "message": "The image ends too early."}}
    assert "image_truncated: The image ends too early." in "\n".join(printed(print_photos, [failed], width=80))
    row = {"id": "2", "input": {"text": ""}, "error": {"code": "text_empty", "message": "Empty."}, "outputs": None}
    assert "text_empty" in "\n".join(printed(print_texts, [row], TEXTS, width=80))


@pytest.mark.parametrize("width", [80, 120])
def test_texts_with_what_each_task_says(width: int) -> None:
    verdicts = {"sentiment": {"label": "positive", "score": 0.98}, "spam": {"label": "ham", "score": 1.0}}
    rows = [{"id": key, "input": {"text": text}, "error": None, "outputs": verdicts} for key, text in TEXTS.items()]
    lines = printed(print_texts, rows, TEXTS, width=width)
    assert max(map(len, lines)) <= width
    assert "sentiment" in lines[1]
    assert sum("positive 0.98" in line and "ham 1.00" in line for line in lines) == 2
    assert "\x1b" not in "".join(lines)
