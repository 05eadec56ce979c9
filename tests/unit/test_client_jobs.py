"""Waiting for a job, asking for one and cancelling it, whatever the connection does and however its id is written."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cli_runner import Tagline, quick_tagline
from tests.support.flaky_api import (
    JOB_ID,
    FlakyApi,
    Handler,
    Step,
    flaky_api,
    half,
    job,
    lose_answer,
    ok,
    problem,
    proxy,
    reset,
    say,
)
from tests.support.waiting import until

JOB = f"/v1/jobs/{JOB_ID}"
DONE = ok(job("completed", succeeded=2))
PAGE = ok({"data": [], "next_cursor": None})


@pytest.fixture
def api() -> Iterator[FlakyApi]:
    with flaky_api() as server:
        server.plan("POST /v1/jobs", ok(job(), 202))
        server.plan(f"GET {JOB}/results", PAGE)
        yield server


@pytest.fixture
def tagline(api: FlakyApi, monkeypatch: pytest.MonkeyPatch) -> Tagline:
    return quick_tagline(api.url, monkeypatch)


BREAKS: dict[str, Step] = {
    "reset": reset,
    "cut": half,
    "502": proxy(502),
    "504": proxy(504),
    "503": problem(503, "database_unavailable"),
    "a proxy that knows no server": proxy(404),
    "all places taken": problem(503, "too_many_waiting"),
}


@pytest.mark.parametrize("step", BREAKS.values(), ids=BREAKS)
def test_waiting_outlives_breaks_at_any_time(api: FlakyApi, tagline: Tagline, step: Step) -> None:
    running, unchanged = ok(job(pending=1, succeeded=1), ETag='"5"'), say(304, b"")
    api.plan(f"GET {JOB}", step, running, step, step, unchanged, step, DONE)
    done = tagline("submit", "http://x.example/a.jpg", "--tasks", "classify", "--wait")
    assert done.exit_code == 0, done.output
    assert len(api.asked(f"GET {JOB}")) == 7
    assert done.stderr.index(f"job {JOB_ID}: 2 accepted") < done.stderr.index("completed")
    status = tagline("status", JOB_ID, "--wait")
    assert (status.exit_code, "completed" in status.stdout) == (0, True)


def test_after_a_break_it_is_asked_without_waiting_there(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(f"GET {JOB}", ok(job(), ETag='"5"'), proxy(504), ok(job(), ETag='"6"'), DONE)
    tagline("submit", "http://x.example/a.jpg", "--tasks", "classify", "--wait")
    waits = [(one.headers.get("Prefer"), one.headers.get("If-None-Match")) for one in api.asked(f"GET {JOB}")]
    assert waits == [("wait=20", ""), ("wait=20", '"5"'), (None, None), ("wait=20", '"6"')]


def test_whoever_gives_up_waiting_has_the_id(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(f"GET {JOB}", reset)
    done = tagline("submit", "http://x.example/a.jpg", "--tasks", "classify", "--wait", "--patience", "0.1")
    assert done.exit_code == 3
    assert f"`tagline status {JOB_ID} --wait`" in done.stderr


def test_a_job_that_is_removed_meanwhile_ends_the_wait(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(f"GET {JOB}", ok(job()), problem(404, "job_not_found"))
    done = tagline("submit", "http://x.example/a.jpg", "--tasks", "classify", "--wait")
    assert done.exit_code == 1
    assert "job_not_found" in done.stderr
    assert "goes on" not in done.stderr


@pytest.mark.parametrize("moment", ["upload", "submission", "wait"])
def test_ctrl_c_ends_at_once_and_tells_how_to_go_on(api: FlakyApi, tmp_path: Path, moment: str) -> None:
    (tmp_path / "a.jpg").write_bytes(b"a photo")
    what = {"upload": "POST /v1/uploads", "submission": "POST /v1/jobs", "wait": f"GET {JOB}"}[moment]
    api.plan("POST /v1/uploads", ok({"id": "u"}, 201))

    ended: list[int] = []

    def interrupt(handler: Handler) -> None:
        handler.read_body()
        process.send_signal(signal.SIGINT)
        ended.append(process.wait(180))  # while the connection is still open

    api.steps[what] = [interrupt]
    environment = {**os.environ, "TAGLINE_URL": api.url, "TAGLINE_API_KEY": "key"}
    command = [sys.executable, "-m", "cli.main", "submit", str(tmp_path), "--tasks", "classify", "--wait"]
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=said)
    until(lambda: ended, what="the command's end")
    assert ended == [130]
    key = next((one.headers["Idempotency-Key"] for one in api.asked("POST /v1/jobs")), "")
    told = {"upload": "", "submission": f"--idempotency-key {key}", "wait": f"status {JOB_ID} --wait"}[moment]
    text = (tmp_path / "said").read_text()
    assert told in text
    assert "Traceback" not in text


def test_cancelling_again_what_was_cancelled_is_no_error(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(f"POST {JOB}/cancel", lose_answer, problem(409, "job_finished"))
    api.plan(f"GET {JOB}", ok(job("cancelled", cancelled=2)))
    done = tagline("cancel", JOB_ID)
    assert done.exit_code == 0
    assert "cancelled" in done.stdout


def test_cancelling_what_is_complete_is_one(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(f"POST {JOB}/cancel", problem(409, "job_finished"))
    api.plan(f"GET {JOB}", DONE)
    done = tagline("cancel", JOB_ID)
    assert (done.exit_code, done.stderr) == (1, "error: It is so. (job_finished)\n")


@pytest.mark.parametrize("spelled", [JOB_ID.upper(), f" {JOB_ID} ", JOB_ID.replace("-", "")])
@pytest.mark.parametrize("command", ["status", "cancel", "results"])
def test_an_id_may_be_written_in_any_case(api: FlakyApi, tagline: Tagline, command: str, spelled: str) -> None:
    api.plan(f"GET {JOB}", DONE)
    api.plan(f"POST {JOB}/cancel", DONE)
    assert tagline(command, spelled).exit_code == 0


NO_IDS = [
    "nonsense",
    "",
    ".",
    "..",
    "../keys",
    f"{JOB_ID}/results",
    f"{JOB_ID}?x",
    "a b",
    "%2e%2e",
    "ä" * 300,
    "caf\udce9",
]


@pytest.mark.parametrize("given", NO_IDS)
@pytest.mark.parametrize("command", [("status",), ("cancel",), ("results",), ("results", "--format", "csv")])
def test_what_is_no_id_is_told_in_one_line(
    api: FlakyApi, tagline: Tagline, command: tuple[str, ...], given: str
) -> None:
    api.plan("GET /v1/jobs", ok({"data": [], "next_cursor": None}))
    done = tagline(*command, "--", given)
    assert done.exit_code == 1, done.output
    [line] = done.stderr.splitlines()
    assert line.startswith("error: there is no job ")
    assert "an id looks like" in line
    assert "(job_not_found)" in line
    assert done.stdout == ""


def test_a_wrong_key_is_told_before_a_wrong_id(api: FlakyApi, tagline: Tagline) -> None:
    api.plan("GET /v1/jobs/-", problem(401, "unauthorized"))
    done = tagline("status", "nonsense")
    assert "TAGLINE_API_KEY" in done.stderr


def test_a_job_as_json_is_json_on_any_terminal(api: FlakyApi) -> None:
    api.plan(f"GET {JOB}", ok({**job(), "name": "naïve"}))
    environment = {**os.environ, "TAGLINE_URL": api.url, "TAGLINE_API_KEY": "key"}
    for encoding in ("ascii", "latin-1"):
        for arguments in (["--json"], []):
            command = [sys.executable, "-m", "cli.main", "status", JOB_ID, *arguments]
            done = subprocess.run(command, env={**environment, "PYTHONIOENCODING": encoding}, capture_output=True)
            assert done.returncode == 0, done.stderr
            if arguments:
                assert json.loads(done.stdout)["name"] == "naïve"
