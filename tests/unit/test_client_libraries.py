"""What the library commands make of their arguments, and how they show libraries, photos and changes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cli.client.confident import confident
from cli.client.library_fields import default_name, local_zone, schedule_fields, source_fields
from cli.client.library_words import (
    change_table,
    found_table,
    library_table,
    photo_table,
    run_table,
    schedule_of,
    source_of,
    what_it_did,
    what_it_met,
)
from cli.terminal import Failure

COUNTS = dict.fromkeys(
    ("listed", "skipped", "new", "changed", "moved", "unchanged", "gone", "stale", "retried", "ran", "reused",
     "succeeded", "failed"), 0,
)  # fmt: skip
LONG = "2024/holidays/" + "a-very-long-name-" * 6 + ".jpg"


def label(name: str, score: float | None) -> dict[str, Any]:
    return {"label": name, "score": score, "by": "person" if score is None else "model"}


def photo(key: str, *labels: dict[str, Any], state: str = "present") -> dict[str, Any]:
    caption = {"text": "two dogs are running over a wide green field by the sea", "score": 0.4, "by": "model"}
    return {"key": key, "state": state, "labels": list(labels), "caption": caption, "score": 0.91}


def printed(table: Any, width: int = 80) -> str:
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(table)
    return str(console.file.getvalue())  # type: ignore[attr-defined]


def test_sources_are_told_apart_by_what_they_look_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "list.csv").write_text("url\n")
    (tmp_path / "cat.jpg").write_text("")
    assert source_fields("~/Pictures") == ({"folder": f"{tmp_path}/Pictures"}, None)
    assert source_fields("Pictures/") == ({"folder": f"{tmp_path}/Pictures"}, None)
    assert source_fields("s3://b/p/") == ({"s3_prefix": "s3://b/p/"}, None)
    assert source_fields("https://a.example/l.txt") == ({"manifest_url": "https://a.example/l.txt"}, None)
    assert source_fields("list.csv") == (None, tmp_path / "list.csv")
    with pytest.raises(Failure, match="a list"):
        source_fields("cat.jpg")
    names = [default_name(given) for given in ("~/Pictures/", "s3://bucket/a/b/", "s3://bucket", "https://a/x.txt")]
    assert names == ["Pictures", "b", "bucket", "x.txt"]


def test_schedules() -> None:
    zone = {"timezone": found} if (found := local_zone()) else {}
    assert schedule_fields("02:05", None, None, None) == {"cron": "5 2 * * *", **zone}
    window = {"window": "02:00-06:00", "timezone": "Europe/Berlin"}
    assert schedule_fields(None, "0 2 * * 1", "Europe/Berlin", "02:00-06:00") == {"cron": "0 2 * * 1", **window}
    assert schedule_fields(None, None, None, None) is None
    for given in (("2", None, None, None), ("02:00", "0 2 * * *", None, None), (None, None, "UTC", None)):
        with pytest.raises(Failure):
            schedule_fields(*given)


def test_people_see_what_is_likely_and_the_best_in_any_case() -> None:
    sure, unsure, least = label("dog", 0.9), label("cat", 0.5), label("fox", 0.49)
    assert confident([sure, unsure, least]) == [sure, unsure]
    assert confident([least, least]) == [least]
    assert confident([label("mine", None), label("yours", None), least]) == [label("mine", None), label("yours", None)]
    assert confident([sure, least], every=True) == [sure, least]
    assert confident([]) == []


def test_a_run_in_words() -> None:
    real = {"dry_run": False, "what": "changed", "limit": None}
    run = {**real, "counts": {**COUNTS, "listed": 7, "new": 1, "changed": 1, "moved": 1, "unchanged": 4, "ran": 2}}
    assert what_it_met(run) == "7 listed, 1 new, 1 changed, 1 moved, 4 unchanged"
    assert what_it_did(run) == "2 ran"
    assert what_it_did({**real, "counts": COUNTS}) == "nothing to do"


@pytest.mark.parametrize(
    ("what", "limit", "counted", "said"),
    [
        ("changed", None, {"new": 7}, "7 would be run"),
        ("changed", 2, {"new": 7}, "2 would be run"),
        ("changed", None, {"new": 3, "moved": 1, "reused": 2, "succeeded": 2}, "2 would be run, 2 reused, 2 succeeded"),
        ("changed", None, {"unchanged": 7}, "nothing to do"),
        ("all", None, {"unchanged": 7}, "7 would be run"),
        ("failed", None, {"new": 6, "retried": 1}, "1 would be run"),
        ("relabel", None, {"new": 2, "stale": 5}, "5 would be labelled anew"),
        ("relabel", None, {"stale": 5, "succeeded": 5}, "5 succeeded"),
    ],
)
def test_a_dry_run_says_what_would_be_done(what: str, limit: int | None, counted: dict[str, int], said: str) -> None:
    counts = {**COUNTS, "listed": 7, **counted}
    assert what_it_did({"dry_run": True, "what": what, "limit": limit, "counts": counts}) == said


def test_tables_fit_80_columns_and_never_steer_the_terminal() -> None:
    photos = [
        photo(LONG, label("red [bold]car", 0.91), label("\x1b[31msea", 0.7), label("unlikely", 0.2)),
        photo("b.jpg", label("mine", None), state="missing"),
    ]
    shown = printed(photo_table(photos))
    assert "unlikely" not in shown
    assert "unlikely 0.20" in printed(photo_table(photos, every=True))
    assert "mine (yours)" in shown
    assert "missing" in shown
    assert "red [bold]car 0.91" in " ".join(shown.split())
    change = {
        "key": LONG, "kind": "changed", "why": "its bytes changed", "added": ["dog"], "removed": ["cat"], "error": None,
        "caption": {"before": None, "after": "a dog"},
    }  # fmt: skip
    failed = {**change, "error": {"code": "image_truncated", "message": None}}
    changes = printed(change_table([change, failed]))
    assert "+dog  -cat" in changes
    assert "“a dog”" in changes
    assert "image_truncated" in changes
    run = {
        "created_at": "2026-11-26T02:00:00.000Z", "state": "source_shrunk", "dry_run": True, "undone_at": "x",
        "counts": COUNTS, "error": {"code": "source_shrunk"},
    }  # fmt: skip
    library = {
        "name": "n" * 200, "source": {"folder": "/" + LONG}, "next_run_at": "2026-11-26T02:00:00.000Z",
        "schedule": {"cron": "0 2 * * *", "timezone": None, "window": "02:00-06:00"},
    }  # fmt: skip
    others = [printed(table) for table in (found_table(photos), run_table([run]), library_table([library]))]
    for table in (shown, changes, *others):
        assert max(map(len, table.splitlines())) <= 80, table
        assert "\x1b" not in table
    assert schedule_of(library) == "0 2 * * * (UTC, within 02:00-06:00)"
    assert source_of({"source": None}) == "none yet"
    assert source_of({"source": {"manifest": {"photos": 1200, "sent_at": "2026-11-26T02:00:00.000Z"}}}) == (
        "a list of 1,200 photos, sent 2026-11-26 02:00"
    )
