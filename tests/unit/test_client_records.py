"""Streamed results arrive once, in order and whole, wherever their stream is cut."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.cli_runner import Tagline, quick_tagline
from tests.support.flaky_api import JOB_ID, FlakyApi, Step, flaky_api, job, ok, proxy, reset, say, stream

JOB = f"/v1/jobs/{JOB_ID}"
RESULTS = f"GET {JOB}/results"
SEQS = range(7)


def _row(seq: int) -> dict[str, object]:
    return {"id": f'a "{seq}"\nb', "seq": seq, "state": "succeeded", "note": "ä"}


def _ndjson(seqs: Iterator[int] | range = SEQS) -> bytes:
    return b"".join(json.dumps(_row(seq), ensure_ascii=False).encode() + b"\n" for seq in seqs)


def _csv(seqs: Iterator[int] | range = SEQS, columns: tuple[str, ...] = ("id", "seq", "note")) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, extrasaction="ignore")
    writer.writeheader()
    writer.writerows(_row(seq) for seq in seqs)
    return text.getvalue().encode()


WHOLE = {"ndjson": _ndjson(), "csv": _csv(), "json": _ndjson()}


@pytest.fixture
def api() -> Iterator[FlakyApi]:
    with flaky_api() as server:
        server.plan(f"GET {JOB}", ok(job("completed", total=7, succeeded=7)))
        yield server


@pytest.fixture
def tagline(api: FlakyApi, monkeypatch: pytest.MonkeyPatch) -> Tagline:
    return quick_tagline(api.url, monkeypatch)


def _expected(form: str) -> bytes:
    rows = ",\n".join(WHOLE["json"].decode().splitlines())
    return f"[\n{rows}\n]\n".encode() if form == "json" else WHOLE[form]


@pytest.mark.parametrize("form", WHOLE)
@pytest.mark.parametrize("ends", [False, True], ids=["torn", "looks ended"])
def test_every_place_of_a_cut_gives_the_same_output(api: FlakyApi, tagline: Tagline, form: str, ends: bool) -> None:
    whole = WHOLE[form]
    for place in range(0, len(whole), 3):
        api.steps[RESULTS] = [stream([whole[:place]] if place else [], ends=ends), stream([whole])]
        done = tagline("results", JOB_ID, "--format", form)
        assert done.exit_code == 0, (place, done.stderr)
        assert done.stdout_bytes == _expected(form), place


@pytest.mark.parametrize("form", WHOLE)
def test_one_cut_after_another_gets_through_as_long_as_something_comes(
    api: FlakyApi, tagline: Tagline, form: str
) -> None:
    whole = WHOLE[form]
    cuts: list[Step] = [stream([whole[: len(whole) * part // 8]], ends=False) for part in range(8)]
    api.plan(RESULTS, reset, *cuts, proxy(502), say(200, whole))
    done = tagline("results", JOB_ID, "--format", form)
    assert done.exit_code == 0, done.stderr
    assert done.stdout_bytes == _expected(form)


def test_a_length_that_is_not_kept_is_a_cut(api: FlakyApi, tagline: Tagline) -> None:
    lines = _ndjson().splitlines(keepends=True)
    api.plan(RESULTS, say(200, b"".join(lines[:3]), Content_Length=str(len(_ndjson()))), say(200, _ndjson()))
    assert tagline("results", JOB_ID, "--format", "ndjson").stdout_bytes == _ndjson()


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_of_a_running_job_nothing_comes_twice_or_out_of_order(api: FlakyApi, tagline: Tagline, form: str) -> None:
    """Results that have come in between are passed over if their place is behind us."""
    make = {"ndjson": _ndjson, "csv": _csv}[form]
    api.steps[f"GET {JOB}"] = [ok(job("running", total=7, pending=3, succeeded=4))]
    api.plan(RESULTS, stream([make(iter([1, 3])) + b"torn"], ends=False), stream([make(iter([0, 1, 2, 3, 5, 6]))]))
    done = tagline("results", JOB_ID, "--format", form)
    assert done.exit_code == 0
    assert done.stdout_bytes == make(iter([1, 3, 5, 6]))


def test_a_filter_counts_what_it_lets_through(api: FlakyApi, tagline: Tagline) -> None:
    api.steps[f"GET {JOB}"] = [ok(job("completed", total=7, succeeded=3, failed=4))]
    api.plan(RESULTS, stream([_ndjson(range(2))]), stream([_ndjson(range(3))]))
    done = tagline("results", JOB_ID, "--format", "ndjson", "--state", "succeeded")
    assert done.stdout_bytes == _ndjson(range(3))
    assert [one.path.partition("?")[2] for one in api.asked(RESULTS)] == ["state=succeeded"] * 2


def test_no_results_are_no_cut(api: FlakyApi, tagline: Tagline) -> None:
    api.steps[f"GET {JOB}"] = [ok(job("queued", total=7, pending=7))]
    api.plan(RESULTS, stream([]), stream([]), stream([_csv(range(0))]))
    assert tagline("results", JOB_ID, "--format", "ndjson").stdout_bytes == b""
    assert tagline("results", JOB_ID, "--format", "json").stdout_bytes == b"[]\n"
    assert tagline("results", JOB_ID, "--format", "csv").stdout_bytes == _csv(range(0))


def test_other_columns_after_a_break_end_it(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(RESULTS, stream([_csv(range(2))], ends=False), stream([_csv(columns=("seq", "id"))]))
    done = tagline("results", JOB_ID, "--format", "csv")
    assert done.exit_code == 1
    assert "other columns" in done.stderr
    assert done.stdout_bytes == _csv(range(2))


def test_patience_ends_where_nothing_new_comes(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(RESULTS, stream([_ndjson(range(2))], ends=False))
    done = tagline("results", JOB_ID, "--format", "ndjson", "--patience", "0.1")
    assert done.exit_code == 3
    assert done.stdout_bytes == _ndjson(range(2))


def test_a_table_outlives_breaks(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(RESULTS, reset, proxy(504), ok({"data": [], "next_cursor": None}))
    assert tagline("results", JOB_ID).exit_code == 0
    assert len(api.asked(RESULTS)) == 3


def test_a_full_disk_is_not_taken_for_the_connection(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(RESULTS, stream([_ndjson()]))
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "results", JOB_ID, "--format", "ndjson"],
            env={**os.environ, "TAGLINE_URL": api.url, "TAGLINE_API_KEY": "key"}, stdout=full, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == b"error: cannot write the results: No space left on device\n"
