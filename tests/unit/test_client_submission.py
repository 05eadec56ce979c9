"""A submission is sent as often as it takes, and never makes two jobs; one that is refused says why."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from tests.support.cli_runner import Tagline, quick_tagline
from tests.support.flaky_api import (
    JOB_ID,
    FlakyApi,
    flaky_api,
    job,
    lose_answer,
    ok,
    problem,
    proxy,
    refuse_early,
    reset,
)

SUBMIT = "POST /v1/jobs"
ACCEPTED = ok(job(), 202)


@pytest.fixture
def api() -> Iterator[FlakyApi]:
    with flaky_api() as server:
        yield server


@pytest.fixture
def tagline(api: FlakyApi, monkeypatch: pytest.MonkeyPatch) -> Tagline:
    return quick_tagline(api.url, monkeypatch)


def _piped(data: bytes, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make `data` what a program would read from its standard input through a pipe."""
    path = folder / "stdin"
    path.write_bytes(data)
    file = os.open(path, os.O_RDONLY)
    monkeypatch.setattr("cli.client.arguments._STDIN", file)


@pytest.mark.parametrize("way", ["urls", "many urls", "a file", "a pipe"])
def test_every_try_carries_the_same_key_and_the_same_bytes(
    api: FlakyApi, tagline: Tagline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    urls = [f"http://x.example/{number}.jpg" for number in range(1001)]
    listing = "\n".join(urls * 200).encode()  # more than what is kept in memory
    (tmp_path / "list.txt").write_bytes(listing)
    _piped(listing, tmp_path, monkeypatch)
    inputs = {"urls": urls[:2], "many urls": urls, "a file": [str(tmp_path / "list.txt")], "a pipe": ["-"]}[way]
    api.plan(SUBMIT, reset, lose_answer, problem(409, "idempotency_key_in_use", Retry_After="5"), ACCEPTED)
    done = tagline("submit", *inputs, "--tasks", "classify")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{JOB_ID}\n"
    tries = api.asked(SUBMIT)
    assert len(tries) == 4
    assert len({one.headers["Idempotency-Key"] for one in tries}) == 1
    assert len({one.path for one in tries}) == 1
    sent = {one.body for one in tries[1:]}
    assert len(sent) == 1
    if way in ("a file", "a pipe"):
        assert sent == {listing}
    assert 5.0 in tagline.pauses


def test_two_commands_have_two_keys(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(SUBMIT, ACCEPTED)
    for _ in range(2):
        tagline("submit", "http://x.example/a.jpg", "--tasks", "classify")
    first, second = api.asked(SUBMIT)
    assert first.headers["Idempotency-Key"] != second.headers["Idempotency-Key"]


@pytest.mark.parametrize("way", ["a file", "a pipe"])
def test_an_early_refusal_is_read_though_the_list_is_not_sent(
    api: FlakyApi, tagline: Tagline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    lines = b"http://x.example/a.jpg\n" * 1_000_000
    (tmp_path / "list.txt").write_bytes(lines)
    _piped(lines, tmp_path, monkeypatch)
    api.plan(SUBMIT, refuse_early(422, "line_invalid", "Line 2: not UTF-8."))
    done = tagline("submit", "-" if way == "a pipe" else str(tmp_path / "list.txt"), "--tasks", "classify")
    assert done.exit_code == 1
    assert done.stderr == "error: Line 2: not UTF-8. (line_invalid)\n"
    assert len(api.requests) == 1


def test_a_list_that_goes_away_is_told(api: FlakyApi, tagline: Tagline, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("http://x.example/a.jpg\n")

    def remove(handler: object) -> None:
        path.unlink()
        reset(handler)  # type: ignore[arg-type]

    api.plan(SUBMIT, remove, ACCEPTED)
    done = tagline("submit", str(path), "--tasks", "classify")
    assert done.exit_code == 1
    assert f"cannot read {path}: No such file or directory" in done.stderr


def test_whoever_gives_up_is_told_how_to_find_the_job(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(SUBMIT, lose_answer)
    done = tagline("submit", "http://x.example/a.jpg", "--tasks", "classify", "--patience", "0.1")
    assert done.exit_code == 3
    key = api.requests[0].headers["Idempotency-Key"]
    assert f"--idempotency-key {key}" in done.stderr


def test_a_refusal_after_a_break_is_final(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(SUBMIT, reset, problem(422, "unknown_task"))
    done = tagline("submit", "http://x.example/a.jpg", "--tasks", "nonsense")
    assert done.exit_code == 1
    assert done.stderr == "error: It is so. (unknown_task)\n"


def test_a_key_of_ones_own_finds_the_job_again(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(SUBMIT, ok(job(), 202, Idempotent_Replayed="true"))
    done = tagline("submit", "http://x.example/a.jpg", "--tasks", "classify", "--idempotency-key", "nightly-7")
    assert api.requests[0].headers["Idempotency-Key"] == "nightly-7"
    assert done.stdout == f"{JOB_ID}\n"
    assert "the same job" in done.stderr
    assert tagline("submit", "http://x", "--tasks", "x", "--idempotency-key", "two words").exit_code == 2


def test_what_is_said_of_the_job_is_sent_with_inputs_and_with_lists(
    api: FlakyApi, tagline: Tagline, tmp_path: Path
) -> None:
    (tmp_path / "list.csv").write_text("url\nhttp://x.example/a.jpg\n")
    said = (
        *("--tasks", "tag, classify", "--name", "nächtlich", "--priority", "bulk", "--webhook", "https://x.example/h"),
        *("--top-k", "7", "--options", '{"tag": {"vocabulary": ["cat"], "top_k": 3}}'),
        *("--model", "tag=tag-open", "--model", "classify=other@1.0.0"),
    )
    wanted = {
        "tasks": ["tag", "classify"],
        "name": "nächtlich",
        "priority": "bulk",
        "webhook": {"url": "https://x.example/h"},
        "options": {"tag": {"vocabulary": ["cat"], "top_k": 3}, "classify": {"top_k": 7}},
        "models": {"tag": "tag-open", "classify": "other@1.0.0"},
    }
    api.plan(SUBMIT, ACCEPTED)
    assert tagline("submit", "http://x.example/a.jpg", *said).exit_code == 0
    assert tagline("submit", str(tmp_path / "list.csv"), *said).exit_code == 0
    as_json, as_stream = api.asked(SUBMIT)
    assert json.loads(as_json.body) == {**wanted, "inputs": [{"url": "http://x.example/a.jpg"}]}
    query = {name: values[0] for name, values in parse_qs(as_stream.path.partition("?")[2]).items()}
    assert query.pop("webhook_url") == "https://x.example/h"
    assert query.pop("tasks") == "tag,classify"
    read = {name: json.loads(value) if value.startswith("{") else value for name, value in query.items()}
    assert read == {name: value for name, value in wanted.items() if name not in ("webhook", "tasks")}


@pytest.mark.parametrize(
    "option", [("--options", "{"), ("--options", "[]"), ("--options", '{"tag": 5}'), ("--model", "tag"),
               ("--model", "=x"), ("--name", "caf\udce9")]
)  # fmt: skip
def test_options_that_cannot_be_read_are_told_before_anything_is_sent(
    api: FlakyApi, tagline: Tagline, option: tuple[str, str]
) -> None:
    done = tagline("submit", "http://x.example/a.jpg", "--tasks", "tag", *option)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert not api.requests


def test_a_proxy_that_refuses_large_bodies_is_quoted(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(SUBMIT, proxy(413))
    done = tagline("submit", "http://x.example/a.jpg", "--tasks", "tag")
    assert done.exit_code == 1
    assert "413" in done.stderr
