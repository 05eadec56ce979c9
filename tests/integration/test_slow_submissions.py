"""An Idempotency-Key under a submission that arrives slowly: it stays locked while bytes come, and at what cost."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import event, select, update

from api.submission import key_lock
from core.errors import Conflict
from db import idempotency
from db.engine import Database
from db.tables import IdempotencyKey, Job
from tests.support.api import Caller

LINES = b"".join(json.dumps(f"https://photos.example/{n}.jpg").encode() + b"\n" for n in range(5000))
KEY = {"Idempotency-Key": "slow"}


@dataclass
class Clock:
    """A clock that goes when it is told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(key_lock, "monotonic", made)
    return made


class SlowBody(io.BytesIO):
    """A body that does something before each block of it arrives."""

    def __init__(self, block: int, before: Callable[[int], None]) -> None:
        super().__init__(LINES)
        self._block, self._before, self.sent = block, before, 0

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() < len(LINES):
            self._before(self.sent)
        self.sent += 1
        return super().read(self._block)


def _send(caller: Caller, body: SlowBody) -> Any:
    return caller.send(
        "POST", "/v1/jobs?tasks=classify", KEY, input_stream=body, content_type="application/x-ndjson"
    )  # fmt: skip


def _let_the_lock_run_out(database: Database) -> None:
    with database.write() as session:
        session.execute(update(IdempotencyKey).values(locked_until=1))


def test_a_slow_submission_keeps_its_key(acme: Caller, database: Database, clock: Clock) -> None:
    """Without renewing, a second one would take the key over, and the first end with 409 after all its bytes came."""
    others: list[Any] = []

    def arrive(block: int) -> None:
        if block == 1:
            clock.now += key_lock.RENEW_S + 1
            _let_the_lock_run_out(database)
        if block == 2:
            others.append(acme.send("POST", "/v1/jobs", KEY, json={"tasks": ["classify"], "inputs": ["https://a/"]}))

    answer = _send(acme, SlowBody(len(LINES) // 3 + 1, arrive))
    assert (others[0].status_code, others[0].json["code"]) == (409, "idempotency_key_in_use")
    assert answer.status_code == 202
    assert len(acme.jobs()) == 1


def test_the_key_of_a_submission_that_fell_silent_goes_to_the_next(
    acme: Caller, database: Database, clock: Clock
) -> None:
    """The next one's job stands; the first hears of it when bytes come again, and makes none."""
    others: list[Any] = []

    def arrive(block: int) -> None:
        if block == 1:
            _let_the_lock_run_out(database)
            others.append(acme.send("POST", "/v1/jobs", KEY, json={"tasks": ["classify"], "inputs": ["https://a/"]}))
            clock.now += key_lock.RENEW_S + 1

    body = SlowBody(10_000, arrive)
    answer = _send(acme, body)
    assert others[0].status_code == 202
    assert (answer.status_code, answer.json["code"]) == (409, "idempotency_key_in_use")
    assert body.tell() < len(LINES)
    assert [job["id"] for job in acme.jobs()] == [others[0].json["id"]]


def test_not_every_block_is_a_write(acme: Caller, database: Database, app: Any, clock: Clock) -> None:
    renewed: list[float] = []

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("UPDATE idempotency_keys SET locked_until"):
            renewed.append(clock.now)

    def arrive(block: int) -> None:
        clock.now += 1

    engine = app.extensions["tagline"].database.engine
    event.listen(engine, "before_cursor_execute", note)
    body = SlowBody(len(LINES) // 300, arrive)
    assert _send(acme, body).status_code == 202
    event.remove(engine, "before_cursor_execute", note)
    assert body.sent > 300
    assert 5 <= len(renewed) <= 6


def test_a_database_that_is_away_for_a_moment_does_not_end_the_upload(
    acme: Caller, app: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise key_lock.Unavailable("SELECT", {}, Exception("the server restarts"))

    def arrive(block: int) -> None:
        clock.now += key_lock.RENEW_S + 1 if block == 1 else 0

    monkeypatch.setattr(idempotency, "renew", away)
    assert _send(acme, SlowBody(100_000, arrive)).status_code == 202


def test_a_dead_submissions_key_is_free_within_minutes(database: Database, tenant: str) -> None:
    with database.write() as session:
        idempotency.reserve(session, tenant, "k", "dead")
        row = session.scalars(select(IdempotencyKey)).one()
        assert row.locked_until - row.created_at <= 5 * 60_000
        assert row.locked_until - row.created_at > 2 * key_lock.RENEW_S * 1000  # one renewal may fail
    _let_the_lock_run_out(database)
    with database.write() as session:
        assert idempotency.reserve(session, tenant, "k", "next") is None
        with pytest.raises(Conflict):
            idempotency.renew(session, tenant, "k", "dead")
        assert session.scalars(select(Job.id)).all() == []
