"""The API as it is served: broken bodies, waiting, following, stopping."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from core.inputs import ItemResult
from core.settings import Settings
from db import keys
from db.engine import Database
from db.migrate import migrate
from db.store import store_results
from tests.support.api import KEY, Server, api_server
from tests.support.jobs import claim
from tests.support.waiting import until

NDJSON, CSV = "application/x-ndjson", "text/csv"
LINE = b"http://a/1\n"
HEAD = (
    f"POST /v1/jobs?tasks=classify HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {KEY}\r\n"
    "Content-Type: text/plain\r\nIdempotency-Key: {key}\r\n"
)


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout=180) as connection:
        yield connection


def refusals(server: Server) -> float:
    """How many submissions were answered with 400."""
    text = server.ask("GET", "/metrics")[2].decode()
    start = 'tagline_http_requests_total{method="POST",route="/v1/jobs",status="400"} '
    return sum(float(line.removeprefix(start)) for line in text.splitlines() if line.startswith(start))


@pytest.mark.parametrize(
    ("framing", "sent"),
    [
        ("Content-Length: 1000\r\n\r\n", LINE),
        ("Transfer-Encoding: chunked\r\n\r\n", b"b\r\n" + LINE + b"\r\n"),
        ("Transfer-Encoding: chunked\r\n\r\n", b"b\r\n" + LINE + b"\r\nb\r\nhttp:"),
    ],
    ids=["length", "chunked", "inside a chunk"],
)
def test_a_client_that_dies_half_way_stores_nothing(server: Server, framing: str, sent: bytes) -> None:
    jobs, before = len(server.jobs()), refusals(server)
    key = f"dies-{len(framing)}-{len(sent)}"
    with connected(server) as connection:
        connection.sendall((HEAD.format(key=key) + "Expect: 100-continue\r\n" + framing).encode())
        assert b"100 Continue" in connection.recv(100)  # the body is being read
        connection.sendall(sent)
    until(lambda: refusals(server) > before, what="the submission to be given up")
    assert len(server.jobs()) == jobs
    status, headers, _ = server.ask(
        "POST", "/v1/jobs?tasks=classify", LINE, Content_Type="text/plain", Idempotency_Key=key
    )
    assert status == 202  # the key was given back
    assert "idempotent-replayed" not in headers


def test_a_malformed_chunk_is_no_end(server: Server) -> None:
    before = len(server.jobs())
    with connected(server) as connection:
        head = HEAD.format(key="malformed") + "Transfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head.encode() + b"b\r\n" + LINE + b"\r\nzz\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400")
    assert len(server.jobs()) == before


def test_whole_bodies_of_both_kinds_are_accepted(server: Server) -> None:
    for framing, body in (
        ("Content-Length: 11\r\n\r\n", LINE),
        ("Transfer-Encoding: chunked\r\n\r\n", b"b\r\n" + LINE + b"\r\n0\r\n\r\n"),
    ):
        with connected(server) as connection:
            connection.sendall((HEAD.format(key=framing[:3]) + framing).encode() + body)
            assert connection.recv(100).startswith(b"HTTP/1.1 202")


def test_the_answer_to_a_long_refused_body_is_read(server: Server) -> None:
    body = b"\xff\n" + LINE * 2_000_000  # a client that reads no answer before it has sent everything
    status, _, answer = server.ask("POST", "/v1/jobs?tasks=classify", body, Content_Type="text/plain")
    assert (status, json.loads(answer)["where"]) == (422, "line 1")


def test_long_polls_are_limited_and_those_who_hang_up_free_their_slot(server: Server) -> None:
    path = f"/v1/jobs/{server.submit('http://a/1')}"
    request = f"GET {path}/events HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    with ExitStack() as waiting:
        for _ in range(3):
            connection = waiting.enter_context(connected(server))
            connection.sendall(request)
            assert connection.recv(100).startswith(b"HTTP/1.1 200")  # it has its slot
        full = refused(server, path)
        assert full is not None
        assert full["code"] == "too_many_waiting"
        assert server.ask("GET", path)[0] == 200  # who does not wait is answered
    until(lambda: refused(server, path) is None, what="the slots to be free")


def refused(server: Server, path: str) -> dict[str, str] | None:
    status, headers, body = server.ask("GET", path, Prefer="wait=1")
    if status == 200:
        return None
    assert (status, headers["retry-after"]) == (503, "5")
    found: dict[str, str] = json.loads(body)
    return found


def test_following_a_job_ends_with_it(server: Server) -> None:
    path = f"/v1/jobs/{server.submit('http://a/1')}"
    with connected(server) as connection, connection.makefile("rb") as lines:
        connection.sendall(f"GET {path}/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
        assert any(line == b"event: progress\n" for line in lines)
        assert server.ask("POST", f"{path}/cancel")[0] == 200
        assert any(line == b"event: finished\n" for line in lines)
        assert any(line == b"0\r\n" for line in lines)  # the last chunk: the stream ends of itself


@pytest.mark.parametrize(
    ("query", "headers", "status"), [("x" * 66_000, 0, 414), ("x", 200, 431)], ids=["a long address", "many headers"]
)
def test_what_the_server_does_not_read_is_refused_as_the_document_says(
    server: Server, query: str, headers: int, status: int
) -> None:
    """Fails if a client that follows the document looks for a problem document where there is none."""
    document = json.loads(server.ask("GET", "/openapi.json")[2])
    many = {f"x_{number}": "1" for number in range(headers)}
    found, _, body = server.ask("GET", f"/v1/jobs?cursor={query}", **many)
    assert (found, body) == (status, b"")
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        assert "content" not in operation["responses"][str(status)]


def test_stopping_waits_for_nobody_and_nobody_is_misled(redis_url: str, tmp_path: Path) -> None:
    """Fails if those who wait hold the server up, or if results that it gives up end as whole ones do."""
    database = Database(Settings(data_dir=tmp_path).sql_url)
    migrate(database)
    with database.write() as session:
        keys.ensure_first_key(session, KEY, "whsec_" + "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0")
    env = {"TAGLINE_DATA_DIR": str(tmp_path), "TAGLINE_REDIS_URL": redis_url}
    with api_server(env, tmp_path / "log") as server, ExitStack() as open_streams:
        results = f"/v1/jobs/{job_of_many_megabytes(server, database)}/results"
        answers = [open_streams.enter_context(streaming(server, results, form)) for form in (NDJSON, CSV)]
        path = f"/v1/jobs/{server.submit('http://a/1')}/events"
        with connected(server) as connection, connection.makefile("rb") as lines:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode())
            assert any(line == b"event: progress\n" for line in lines)
            os.kill(server.process.pid, signal.SIGTERM)
            assert any(line == b"0\r\n" for line in lines)  # an orderly end: every event is whole by itself
        for answer in answers:  # of which the server has more to send than the network holds
            with pytest.raises(http.client.IncompleteRead):
                answer.read()
        assert server.process.wait(timeout=180) == 0
    database.close()


@contextmanager
def streaming(server: Server, path: str, form: str) -> Iterator[http.client.HTTPResponse]:
    """An answer that has begun, to a client that takes little at a time."""
    client = http.client.HTTPConnection("127.0.0.1", server.port)
    client.sock = socket.socket()
    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
    client.sock.settimeout(180)
    client.sock.connect(("127.0.0.1", server.port))
    with contextlib.closing(client):
        client.request("GET", path, headers={"Authorization": f"Bearer {KEY}", "Accept": form})
        answer = client.getresponse()
        assert (answer.status, answer.chunked) == (200, True)
        assert answer.read(1000)
        yield answer


def job_of_many_megabytes(server: Server, database: Database) -> str:
    """A finished job with 20 MB of results."""
    job_id = server.submit(*(f"http://a/{number}" for number in range(1000)))
    outputs = {"classify": {"labels": [{"label": "x" * 20_000, "score": 1.0}], "model": "test@1.0.0"}}
    while claimed := claim(database):
        with database.write() as session:
            store_results(session, claimed, [ItemResult(item, outputs=outputs) for item in claimed.items])
    return job_id
