"""Requests of which only the status line is the answer, as of webhooks: whatever follows it, it stands."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from core.errors import ItemError
from core.outbound.http.client import HttpClient, Request, Response
from core.settings import load_settings
from tests.support.receiver import Answering, RawReceiver, raw_receiver, sends

LIMIT_S = 120.0


@pytest.fixture(scope="module")
def receiver() -> Iterator[RawReceiver]:
    with raw_receiver() as opened:
        yield opened


@pytest.fixture(scope="module")
def client(receiver: RawReceiver) -> Iterator[HttpClient]:
    opened = HttpClient(load_settings(allow_hosts=(receiver.host,)))
    yield opened
    opened.close()


def send(client: HttpClient, receiver: RawReceiver, answer: Answering, timeout_s: float = LIMIT_S) -> Response:
    """What a webhook would get."""
    receiver.answer = answer
    request = Request(
        receiver.url,
        method="POST",
        body=b"{}",
        max_bytes=8192,
        timeout_s=timeout_s,
        status_only=True,
        body_time_s=0.1,
    )
    return client.request(request).result(LIMIT_S)


OK = b"HTTP/1.1 200 OK\r\n"
RECEIVED = {
    "endless": sends(OK + b"Content-Length: 99999999999\r\n\r\n", "flood"),
    "slow": sends(OK + b"Content-Length: 100000\r\n\r\n", "drip"),
    "never coming": sends(OK + b"Content-Length: 10\r\n\r\n", "hold"),
    "cut": sends(OK + b"Content-Length: 100\r\n\r\nshort"),
    "longer than said": sends(OK + b"Content-Length: 3\r\n\r\nabcdefgh"),
    "reset": sends(OK + b"Content-Length: 100\r\n\r\n", "reset"),
    "badly chunked": sends(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n"),
    "chunks cut": sends(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"),
    "chunks endless": sends(OK + b"Transfer-Encoding: chunked\r\n\r\nfffffff\r\n", "flood"),
    "unknown transfer coding": sends(OK + b"Transfer-Encoding: gzip, nonsense\r\n\r\nhello"),
    "not gzip": sends(OK + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nhello"),
    "unknown coding": sends(OK + b"Content-Encoding: nonsense\r\nContent-Length: 5\r\n\r\nhello"),
    "length nonsense": sends(OK + b"Content-Length: nonsense\r\n\r\n"),
    "length negative": sends(OK + b"Content-Length: -5\r\n\r\n"),
    "length beyond numbers": sends(OK + b"Content-Length: 99999999999999999999999\r\n\r\n"),
    "two lengths": sends(OK + b"Content-Length: 3\r\nContent-Length: 5\r\n\r\nabc"),
    "no length": sends(OK + b"\r\n", "hold"),
    "HTTP/1.0": sends(b"HTTP/1.0 200 OK\r\n\r\n", "drip"),
    "HTTP/1.0, closed": sends(b"HTTP/1.0 201 Created\r\n\r\nthanks"),
    "204 with a body": sends(b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
    "headers cut": sends(OK + b"Content-Le"),
    "headers never ending": sends(OK, "hold"),
    "headers too many": sends(OK + b"x: y\r\n" * 20_000),
    "no colon": sends(OK + b"this is no header\r\n\r\n"),
    "after hints": sends(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + OK + b"Content-Length: 9\r\n\r\n"),
    "a status in the trailers": sends(OK + b"Transfer-Encoding: chunked\r\n\r\n0\r\nHTTP/1.1 500 No: x\r\n\r\n"),
}


@pytest.mark.parametrize("body", RECEIVED)
def test_a_status_stands_whatever_follows(client: HttpClient, receiver: RawReceiver, body: str) -> None:
    before = receiver.received
    never_ending = body == "headers never ending"  # then the request's own time ends it
    response = send(client, receiver, RECEIVED[body], timeout_s=3 if never_ending else LIMIT_S)
    assert 200 <= response.status < 300
    assert len(response.body) <= 8192
    assert receiver.received == before + 1


@pytest.mark.parametrize(
    "answer",
    [
        sends(b""),
        sends(b"", "hold"),
        sends(b"HTTP/1.1 20"),
        sends(b"HTTP/1.1 100 Continue\r\n\r\n"),
        sends(b"HTTP/1.1 103 Early Hints\r\n\r\n", "hold"),
        sends(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 2"),
        sends(b"220 mail.example ESMTP\r\n"),
        sends(b"200 OK\r\n\r\n"),
    ],
)
def test_what_has_no_final_status_is_no_answer(client: HttpClient, receiver: RawReceiver, answer: Answering) -> None:
    with pytest.raises(ItemError):
        send(client, receiver, answer, timeout_s=0.3)


@pytest.mark.parametrize("status", [300, 404, 410, 500, 503])
def test_other_statuses_stand_too(client: HttpClient, receiver: RawReceiver, status: int) -> None:
    head = b"HTTP/1.1 %d X\r\nRetry-After: 600\r\nLocation: /x\r\nContent-Length: nonsense\r\n\r\n" % status
    response = send(client, receiver, sends(head))
    assert (response.status, response.retry_after_s) == (status, 600)


def test_a_body_that_does_not_come_is_not_waited_for(client: HttpClient, receiver: RawReceiver) -> None:
    started = time.monotonic()
    assert send(client, receiver, RECEIVED["never coming"]).status == 200
    assert time.monotonic() - started < LIMIT_S / 2


def test_a_small_body_is_read_and_the_connection_kept(client: HttpClient, receiver: RawReceiver) -> None:
    def twice(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(OK + b"Content-Length: 6\r\n\r\nthanks")
        data = b""
        while not data.endswith(b"}"):
            data += connection.recv(65536)
        connection.sendall(OK + b"Content-Length: 6\r\n\r\nagain!")

    before = receiver.received
    assert send(client, receiver, twice).body == b"thanks"
    assert send(client, receiver, twice).body == b"again!"
    assert receiver.received == before + 1  # the receiver counts connections
