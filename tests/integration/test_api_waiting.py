"""Requests that wait hold no thread, have limited places, and end when they must."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from core.settings import Settings
from db import keys
from db.engine import Database
from db.key_admin import revoke_key
from db.keys import hash_key
from db.migrate import migrate
from tests.support.api import KEY, Server, api_server
from tests.support.jobs import claim
from tests.support.sse import Listener, read_until
from tests.support.waiting import until

SECRET = "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"
THEIRS = "tl_theirs"
JSON = "application/json"
MANY = 150


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """Of two tenants with a key each."""
    folder = tmp_path_factory.mktemp("waiting")
    opened = Database(Settings(data_dir=folder).sql_url)
    migrate(opened)
    with opened.write() as session:
        keys.ensure_first_key(session, KEY, SECRET)
        keys.create_key(session, keys.create_tenant(session, "theirs", SECRET), "theirs", THEIRS)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def folder(database: Database) -> Path:
    return Path(database.engine.url.database or "").parent


@pytest.fixture(scope="module")
def server(database: Database, folder: Path, redis_url: str) -> Iterator[Server]:
    """The API with two threads."""
    env = {"TAGLINE_DATA_DIR": str(folder), "TAGLINE_REDIS_URL": redis_url, "TAGLINE_WEB_THREADS": "2",
           "TAGLINE_MAX_WAITING": str(4 * MANY)}  # fmt: skip
    with api_server(env, folder / "api.log") as running:
        yield running


def streams(server: Server, path: str) -> list[Listener]:
    return [Listener(server, f"{path}/events") for _ in range(MANY)]


def polls(server: Server, path: str) -> list[Listener]:
    return [Listener(server, path, {"Prefer": "wait=50"}) for _ in range(MANY)]


def waiting(server: Server) -> int:
    text = server.ask("GET", "/metrics")[2].decode()
    [found] = [line.split()[1] for line in text.splitlines() if line.startswith("tagline_http_waiting ")]
    return int(float(found))


def threads(server: Server) -> int:
    """Of the process that the server's first process has started to do the work."""
    main = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    return max(len(list(Path(f"/proc/{child}/task").iterdir())) for child in main.read_text().split())


def began(listener: Listener) -> bool:
    return b"event: progress\n" in listener.got


def finished(listener: Listener) -> bool:
    return b"event: finished\n" in listener.got and listener.got.endswith(b"\r\n0\r\n\r\n")


def test_three_hundred_wait_on_two_threads(server: Server) -> None:
    """Fails if whoever waits holds a thread (two would do), or if one of them is never told."""
    path = f"/v1/jobs/{server.submit('http://a/1')}"
    with ExitStack() as closes:
        following = [closes.enter_context(closing(one)) for one in streams(server, path)]
        polling = [closes.enter_context(closing(one)) for one in polls(server, path)]
        read_until(following, began)
        until(lambda: waiting(server) == 2 * MANY, what="all to wait")
        assert threads(server) < 60
        assert server.ask("GET", "/v1/jobs")[0] == 200
        assert server.ask("POST", f"{path}/cancel")[0] == 200
        read_until(following, finished)
        read_until(polling, lambda one: b'"state": "cancelled"' in one.got)
        assert all(b"preference-applied: wait=50" in one.got for one in polling)
    until(lambda: waiting(server) == 0, what="the places to be free")


def test_a_submission_waits_for_its_job_though_its_body_was_read(server: Server) -> None:
    """Fails if the application, called once more, wants the body again, or if the answer is not the finished job."""
    body = b'{"tasks": ["classify"], "inputs": ["http://a/waited"]}'
    before = {job["id"] for job in server.jobs()}
    with ThreadPoolExecutor(1) as elsewhere:
        asked = elsewhere.submit(server.ask, "POST", "/v1/jobs", body, Prefer="wait=50", Content_Type=JSON)
        [made] = until(lambda: {job["id"] for job in server.jobs()} - before, what="the job")
        until(lambda: waiting(server) == 1, what="the submission to wait")
        assert server.ask("POST", f"/v1/jobs/{made}/cancel")[0] == 200
        status, headers, answer = asked.result()
    assert (status, headers["preference-applied"], json.loads(answer)["state"]) == (202, "wait=50", "cancelled")
    assert json.loads(answer)["id"] == made


def test_who_hangs_up_before_the_answer_leaves_no_job(server: Server) -> None:
    """Fails if a form that asks while somebody types fills the list of jobs with what nobody reads."""
    before = {job["id"] for job in server.jobs()}
    with closing(Listener(server, "/v1/predict?task=language&text=orignal")):
        until(lambda: {job["id"] for job in server.jobs()} > before, what="the job")
    until(lambda: {job["id"] for job in server.jobs()} == before, what="the job to be gone")


def test_one_tenant_cannot_take_all_places(server: Server, database: Database) -> None:
    """Fails if a tenant gets more than half, or if another one is then refused; and if hanging up frees no place."""
    path = f"/v1/jobs/{server.submit('http://a/1')}"
    with ExitStack() as closes:
        mine = [closes.enter_context(closing(one)) for _ in range(2) for one in streams(server, path)]
        read_until(mine, began)
        status, headers, body = server.ask("GET", f"{path}/events")
        assert (status, headers["retry-after"]) == (503, "5")
        assert b"too_many_waiting" in body
        assert b"of yours wait already" in body
        own = server.ask("POST", "/v1/jobs", b'{"tasks": ["classify"], "inputs": ["http://a/1"]}',
                         Authorization=f"Bearer {THEIRS}", Content_Type=JSON)[1]["location"]  # fmt: skip
        theirs = closes.enter_context(closing(Listener(server, own[own.index("/v1") :] + "/events", key=THEIRS)))
        read_until([theirs], began)
    until(lambda: waiting(server) == 0, what="the places to be free")


def test_a_stream_goes_on_where_it_was(server: Server, database: Database) -> None:
    """Fails if what the client has seen comes again, or what it has missed does not come."""
    path = f"/v1/jobs/{server.submit('http://a/1', 'http://a/2')}"
    with closing(Listener(server, f"{path}/events", {"Last-Event-ID": "1"})) as knows:
        read_until([knows], lambda one: b"retry: 2000\n\n" in one.got)
        while claim(database) is not None:  # by another process, which tells nobody
            pass
        read_until([knows], lambda one: b'"state": "running"' in one.got)
        assert b"id: 1\n" not in knows.got
    with closing(Listener(server, f"{path}/events", {"Last-Event-ID": "1"})) as missed:
        read_until([missed], lambda one: b'"state": "running"' in one.got)


def test_streams_end_when_their_key_is_revoked(server: Server, database: Database) -> None:
    """Fails if a stream outlives its key; that of another key of the same tenant goes on."""
    path = f"/v1/jobs/{server.submit('http://a/1')}"
    with database.write() as session:
        caller = keys.authenticate(session, KEY)
        assert caller is not None
        key = keys.create_key(session, caller.tenant_id, "lost")
    events = f"{path}/events"
    with closing(Listener(server, events, key=key)) as lost, closing(Listener(server, events)) as kept:
        read_until([lost, kept], began)
        with database.write() as session:
            revoke_key(session, hash_key(key)[:12])
        read_until([lost], lambda one: one.got.endswith(b"\r\n0\r\n\r\n"))
        assert server.ask("DELETE", path)[0] == 204
        read_until([kept], lambda one: one.got.endswith(b"\r\n0\r\n\r\n"))
        assert b"event: finished" not in lost.got + kept.got


def test_stopping_ends_all_waits_in_order(database: Database, folder: Path, redis_url: str) -> None:
    """Fails if a stream is cut in the middle, a poll left without its answer, or the server held up."""
    env = {"TAGLINE_DATA_DIR": str(folder), "TAGLINE_REDIS_URL": redis_url}
    with api_server(env, folder / "stopped.log") as stopped, ExitStack() as closes:
        path = f"/v1/jobs/{stopped.submit('http://a/1')}"
        following = [closes.enter_context(closing(one)) for one in streams(stopped, path)]
        polling = [closes.enter_context(closing(one)) for one in polls(stopped, path)]
        read_until(following, began)
        until(lambda: waiting(stopped) == 2 * MANY, what="all to wait")
        os.kill(stopped.process.pid, signal.SIGTERM)
        read_until(following, lambda one: one.got.endswith(b"\r\n0\r\n\r\n"), 30)
        read_until(polling, lambda one: b'"state": "queued"' in one.got, 30)  # by itself it would be after 50
        assert stopped.process.wait(timeout=180) == 0
