"""Client commands outlive broken connections, proxies without a server, and servers that are busy for a while."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from cli.client.connection import Client
from cli.client.problems import ApiProblem, Unreachable
from cli.client.retries import Patience
from core.settings import ClientSettings
from tests.support.cli_runner import Tagline, quick_tagline
from tests.support.flaky_api import (
    JOB_ID,
    FlakyApi,
    Step,
    flaky_api,
    half,
    job,
    lose_answer,
    no_http,
    ok,
    problem,
    proxy,
    reset,
    say,
    stream,
)
from tests.support.ports import free_port

JOB = f"/v1/jobs/{JOB_ID}"
PASSING: dict[str, Step] = {
    "reset": reset,
    "answer lost": lose_answer,
    "half an answer": half,
    "chunks cut": stream([b'{"id": '], ends=False),
    "no HTTP": no_http,
    "a captive portal": say(200, b"<html>Please log in</html>"),
    "408": problem(408, "request_timeout"),
    "body cut by a proxy": problem(400, "body_incomplete"),
    "429": proxy(429),
    "500": problem(500, "internal_error"),
    "502": proxy(502),
    "503": proxy(503),
    "503 of ours": problem(503, "database_unavailable"),
    "504": proxy(504),
    "524": proxy(524),
}


@pytest.fixture
def api() -> Iterator[FlakyApi]:
    with flaky_api() as server:
        yield server


@pytest.fixture
def tagline(api: FlakyApi, monkeypatch: pytest.MonkeyPatch) -> Tagline:
    return quick_tagline(api.url, monkeypatch)


@pytest.mark.parametrize("step", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("arguments", [("status", JOB_ID), ("cancel", JOB_ID), ("submit", "http://x.example/a.jpg")])
def test_what_passes_is_outlived(api: FlakyApi, tagline: Tagline, step: Step, arguments: tuple[str, ...]) -> None:
    what = {"status": f"GET {JOB}", "cancel": f"POST {JOB}/cancel", "submit": "POST /v1/jobs"}[arguments[0]]
    api.plan(what, step, step, ok(job(succeeded=1, pending=1)))
    tasks = ("--tasks", "classify") if arguments[0] == "submit" else ()
    done = tagline(*arguments, *tasks)
    assert done.exit_code == 0, done.output
    assert JOB_ID in done.stdout
    assert len(api.asked(what)) == 3
    assert "trying again" in done.stderr
    assert "answers again" in done.stderr


@pytest.mark.parametrize(
    ("status", "code"), [(401, "unauthorized"), (404, "job_not_found"), (503, "model_unavailable")]
)
def test_what_does_not_pass_is_told_at_once(api: FlakyApi, tagline: Tagline, status: int, code: str) -> None:
    api.plan(f"GET {JOB}", problem(status, code))
    done = tagline("status", JOB_ID)
    assert done.exit_code == 1
    assert code in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(api.requests) == 1


def test_a_redirect_is_no_reason_to_send_the_key_elsewhere(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(f"GET {JOB}", say(308, b"", Location="https://tagline.example/"))
    done = tagline("status", JOB_ID)
    assert (done.exit_code, len(api.requests)) == (1, 1)
    assert "https://tagline.example/" in done.stderr


def test_without_patience_there_is_one_try(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(f"GET {JOB}", proxy(502))
    done = tagline("status", JOB_ID, "--patience", "0")
    assert done.exit_code == 3
    assert done.stderr == "error: the server answers 502 Bad Gateway\n"
    assert len(api.requests) == 1
    tagline.env["TAGLINE_PATIENCE_S"] = "0"
    assert tagline("status", JOB_ID).exit_code == 3
    assert len(api.requests) == 2


def test_a_server_that_comes_back_on_its_port_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    client = Client(ClientSettings(url=f"http://127.0.0.1:{port}", api_key="key"))
    with pytest.MonkeyPatch.context() as patch:
        started: list[FlakyApi] = []
        running = flaky_api(port)

        def start(self: Client, seconds: float) -> None:
            api = running.__enter__()
            api.plan("GET /v1/tasks", ok({"data": []}))
            started.append(api)

        patch.setattr(Client, "_sleep", start)
        assert client.call("GET", "/v1/tasks") == {"data": []}
        assert len(started) == 1
        running.__exit__(None, None, None)


def test_a_server_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    tagline = quick_tagline(f"http://127.0.0.1:{free_port()}", monkeypatch)
    done = tagline("submit", "http://x.example/a.jpg", "--tasks", "classify", "--patience", "0.2")
    assert done.exit_code == 3
    assert "is `tagline up` running?; trying again for up to 0 s" in done.stderr
    assert "idempotency-key" not in done.stderr, "nothing can have been made"
    assert len(done.stderr.splitlines()) == 2


def test_retry_after_is_honoured_in_seconds_and_as_a_date(api: FlakyApi, tagline: Tagline) -> None:
    soon = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    api.plan(f"GET {JOB}", proxy(503, Retry_After="7"), proxy(429, Retry_After=soon), ok(job()))
    assert tagline("status", JOB_ID).exit_code == 0
    first, second = tagline.pauses
    assert first == 7.0
    assert 50 < second <= 60


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "٣", "Tue, 99 Foo 2026 00:00:00 GMT", "9" * 400])
def test_a_retry_after_that_makes_no_sense_does_no_harm(api: FlakyApi, tagline: Tagline, value: str) -> None:
    api.plan(f"GET {JOB}", proxy(503, Retry_After=value.encode().decode("latin-1")), ok(job()))
    assert tagline("status", JOB_ID).exit_code == 0
    assert max(tagline.pauses) <= 90


def test_pauses_grow_to_a_limit_and_the_last_one_ends_with_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    now, pauses, told = [0.0], [], []
    monkeypatch.setattr("cli.client.retries.time.monotonic", lambda: now[0])

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        now[0] += seconds

    patience = Patience(300.0, sleep, told.append)
    with pytest.raises(Unreachable):
        while True:
            patience.pause(Unreachable("gone"))
    assert now[0] == pytest.approx(300.0)
    assert pauses[0] < 1 < pauses[2] < pauses[4] < pauses[6] <= 18
    assert told == ["gone; trying again for up to 5 min"]
    patience.renew()
    assert told[-1] == "the server answers again"
    patience.pause(Unreachable("gone"))
    assert pauses[-1] < 1, "after something has come it is as the first time"


def test_a_command_that_only_asks_is_less_patient(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(f"GET {JOB}", proxy(503, Retry_After="1000"), ok(job()))
    api.plan("POST /v1/jobs", proxy(503, Retry_After="1000"), ok(job()))
    tagline("status", JOB_ID)
    tagline("submit", "http://x.example/a.jpg", "--tasks", "classify")
    assert [round(pause) for pause in tagline.pauses] == [90, 300]


@pytest.mark.parametrize(
    "url", ["nonsense", "ftp://x.example", "http://", "http://x.example:abc", "http://x.example:99999", "http://[::1"]
)
def test_a_url_that_is_none_is_told(url: str) -> None:
    done = Tagline(url)("status", JOB_ID)
    assert done.exit_code == 2
    assert done.stderr.startswith("error: TAGLINE_URL: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example", "-.invalid"])
def test_a_host_that_can_be_none_is_told_before_it_is_asked(host: str) -> None:
    done = Tagline(f"http://{host}")("status", JOB_ID, "--patience", "0")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: TAGLINE_URL: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_host_that_nobody_knows_is_told() -> None:
    done = Tagline("http://no-such-host.invalid")("status", JOB_ID, "--patience", "0")
    assert done.exit_code == 3
    assert done.stderr.startswith("error: cannot reach http://no-such-host.invalid: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("key", ["ключ", "two\nlines", "a\x7f"])
def test_a_key_that_cannot_be_sent_is_told(api: FlakyApi, tagline: Tagline, key: str) -> None:
    tagline.env["TAGLINE_API_KEY"] = key
    done = tagline("status", JOB_ID)
    assert done.exit_code == 2
    assert "TAGLINE_API_KEY" in done.stderr


def test_somebody_else_at_the_address_is_told(api: FlakyApi, tagline: Tagline) -> None:
    api.plan(f"GET {JOB}", ok({"hello": "world"}), ok(["nonsense"]))
    for _ in range(2):
        done = tagline("status", JOB_ID)
        assert (done.exit_code, done.stderr) == (3, "error: what answers is not Tagline; is TAGLINE_URL right?\n")


def test_a_foreign_answer_has_no_code() -> None:
    with flaky_api() as api:
        api.plan("GET /v1/tasks", proxy(404), ok({"detail": "x"}, 404), say(404, b"[1]"))
        client = Client(ClientSettings(url=api.url, api_key="key"), 0.0)
        for _ in range(3):
            with pytest.raises(ApiProblem) as caught:
                client.call("GET", "/v1/tasks")
            assert caught.value.code is None
            assert caught.value.message == "the server answers 404 Not Found"
