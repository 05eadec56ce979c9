"""Webhooks: signed, written with the job's last result, retried on schedule, listed and resent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update
from standardwebhooks.webhooks import Webhook

from core.errors import NotFound
from core.outbound.http.client import HttpClient
from core.outbound.signing import new_secret
from core.settings import Settings
from core.states import DeliveryState
from db import keys, outbox
from db.engine import Database
from db.store import store_results
from db.tables import Delivery
from scheduler import webhooks
from scheduler.metrics import SchedulerMetrics
from scheduler.webhooks import SCHEDULE_S, WebhookSender, verdict
from tests.support.jobs import make_job, must_claim, successes
from tests.support.receiver import RawReceiver, Receiver, raw_receiver, sends, webhook_receiver
from tests.support.waiting import until

SECRET = new_secret()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with webhook_receiver() as opened:
        yield opened


@pytest.fixture
def sender(database: Database, receiver: Receiver) -> Iterator[WebhookSender]:
    settings = Settings(allow_hosts=(receiver.host,))
    http = HttpClient(settings)
    yield WebhookSender(database, http, settings, SchedulerMetrics(CollectorRegistry()))
    http.close()


def _finished_job(database: Database, tenant: str, url: str, **more: Any) -> str:
    job = make_job(database, tenant, items=2, webhook_url=url, webhook_secret=SECRET, **more)
    mine = must_claim(database)
    with database.write() as session:
        store_results(session, mine, successes(mine))
    return job


def _deliveries(database: Database, tenant: str, job: str) -> list[dict[str, Any]]:
    with database.read() as session:
        return outbox.list_deliveries(session, tenant, job)


def _after_attempt(sender: WebhookSender, database: Database, tenant: str, job: str, attempts: int) -> dict[str, Any]:
    """The job's one delivery as soon as that many attempts are on record."""

    def look() -> dict[str, Any] | None:
        sender.send_due()
        [delivery] = _deliveries(database, tenant, job)
        return delivery if len(delivery["attempts"]) >= attempts else None

    return until(look, timeout_s=180, what=f"attempt {attempts}")  # type: ignore[return-value]


def _make_due(database: Database) -> None:
    with database.write() as session:
        session.execute(update(Delivery).values(next_attempt_at=1))


def test_a_finished_job_is_announced_with_a_signature_that_verifies(
    sender: WebhookSender, database: Database, tenant: str, receiver: Receiver
) -> None:
    job = _finished_job(
        database, tenant, receiver.url, name="night run", metadata={"album": "Été"}, base_url="https://tag.example"
    )
    delivery = _after_attempt(sender, database, tenant, job, 1)
    assert (delivery["state"], delivery["attempts"][0]["status"]) == ("delivered", 204)
    [request] = receiver.received
    payload = Webhook(SECRET).verify(request.body, request.headers)
    assert payload == json.loads(request.body)
    assert payload["type"] == "job.completed"
    assert payload["data"]["id"] == job
    assert payload["data"]["counts"] == {"total": 2, "succeeded": 2, "failed": 0, "cancelled": 0, "pending": 0}
    assert payload["data"]["metadata"] == {"album": "Été"}
    assert payload["data"]["links"]["results"] == f"https://tag.example/v1/jobs/{job}/results"
    assert request.headers["webhook-id"] == delivery["id"]
    assert request.headers["content-type"] == "application/json"


def test_an_unfinished_job_is_not_announced(database: Database, tenant: str, receiver: Receiver) -> None:
    job = make_job(database, tenant, items=8, webhook_url=receiver.url)
    mine = must_claim(database)
    with database.write() as session:
        store_results(session, mine, successes(mine))
    assert _deliveries(database, tenant, job) == []


def test_the_webhook_is_written_with_the_last_result_or_not_at_all(
    database: Database, tenant: str, receiver: Receiver
) -> None:
    job = make_job(database, tenant, items=2, webhook_url=receiver.url)
    mine = must_claim(database)
    with pytest.raises(RuntimeError), database.write() as session:
        store_results(session, mine, successes(mine))
        raise RuntimeError("the worker dies before the commit")
    assert _deliveries(database, tenant, job) == []
    with database.write() as session:
        store_results(session, mine, successes(mine))
    assert len(_deliveries(database, tenant, job)) == 1


@pytest.mark.parametrize("status", [500, 404, 302, 304])
def test_whatever_is_not_2xx_is_tried_again_with_the_same_id(
    sender: WebhookSender, database: Database, tenant: str, receiver: Receiver, status: int
) -> None:
    receiver.answers = [(status, {"Location": receiver.url} if status < 400 else {}), (200, {})]
    job = _finished_job(database, tenant, receiver.url)
    first = _after_attempt(sender, database, tenant, job, 1)
    assert first["state"] == "pending"
    assert first["attempts"][0]["status"] == status
    assert SCHEDULE_S[0] * 1000 <= first["next_attempt_at"] - first["attempts"][0]["at"] <= SCHEDULE_S[0] * 1300
    assert len(receiver.received) == 1  # a redirect is not followed
    _make_due(database)
    assert _after_attempt(sender, database, tenant, job, 2)["state"] == "delivered"
    ids = {request.headers["webhook-id"] for request in receiver.received}
    assert len(ids) == 1
    for request in receiver.received:
        Webhook(SECRET).verify(request.body, request.headers)


def test_gone_means_never_again(sender: WebhookSender, database: Database, tenant: str, receiver: Receiver) -> None:
    receiver.answers = [(410, {})]
    job = _finished_job(database, tenant, receiver.url)
    delivery = _after_attempt(sender, database, tenant, job, 1)
    assert (delivery["state"], delivery["next_attempt_at"]) == ("failed", None)


def test_retry_after_is_honoured(sender: WebhookSender, database: Database, tenant: str, receiver: Receiver) -> None:
    receiver.answers = [(503, {"Retry-After": "600"})]
    job = _finished_job(database, tenant, receiver.url)
    delivery = _after_attempt(sender, database, tenant, job, 1)
    assert delivery["next_attempt_at"] - delivery["attempts"][0]["at"] >= 600_000


@pytest.fixture
def raw(monkeypatch: pytest.MonkeyPatch) -> Iterator[RawReceiver]:
    monkeypatch.setattr(webhooks, "ANSWER_BODY_S", 0.1)
    with raw_receiver() as opened:
        yield opened


@pytest.fixture
def raw_sender(database: Database, raw: RawReceiver) -> Iterator[WebhookSender]:
    settings = Settings(allow_hosts=(raw.host,), webhook_timeout_s=3.0)
    http = HttpClient(settings)
    yield WebhookSender(database, http, settings, SchedulerMetrics(CollectorRegistry()))
    http.close()


def test_what_said_2xx_has_received_it_whatever_follows(
    raw_sender: WebhookSender, database: Database, tenant: str, raw: RawReceiver
) -> None:
    raw.answer = sends(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "drip")
    job = _finished_job(database, tenant, raw.url)
    delivery = _after_attempt(raw_sender, database, tenant, job, 1)
    assert (delivery["state"], delivery["attempts"][0]["error"]) == ("delivered", None)
    assert raw.received == 1


def test_an_interim_answer_is_none(
    raw_sender: WebhookSender, database: Database, tenant: str, raw: RawReceiver
) -> None:
    raw.answer = sends(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    job = _finished_job(database, tenant, raw.url)
    delivery = _after_attempt(raw_sender, database, tenant, job, 1)
    assert (delivery["state"], delivery["attempts"][0]["status"]) == ("pending", None)


@pytest.mark.parametrize(("status", "state"), [(503, "pending"), (410, "failed")])
def test_other_statuses_count_whatever_follows_too(
    raw_sender: WebhookSender, database: Database, tenant: str, raw: RawReceiver, status: int, state: str
) -> None:
    raw.answer = sends(b"HTTP/1.1 %d X\r\nRetry-After: 600\r\nContent-Length: 99\r\n\r\n" % status, "hold")
    job = _finished_job(database, tenant, raw.url)
    delivery = _after_attempt(raw_sender, database, tenant, job, 1)
    assert (delivery["state"], delivery["attempts"][0]["status"]) == (state, status)
    if state == "pending":
        assert delivery["next_attempt_at"] - delivery["attempts"][0]["at"] >= 600_000


def test_a_private_address_is_refused_and_says_so(sender: WebhookSender, database: Database, tenant: str) -> None:
    job = _finished_job(database, tenant, "http://127.0.0.1:9/hook")
    delivery = _after_attempt(sender, database, tenant, job, 1)
    assert delivery["attempts"][0]["status"] is None
    assert delivery["attempts"][0]["error"]["code"] == "address_not_allowed"


def test_the_schedule_ends() -> None:
    failed = outbox.Attempt(500, 0.1, "webhook_refused", "no")
    waits = []
    for before in range(len(SCHEDULE_S)):
        state, wait = verdict(None, failed, before)
        assert state == DeliveryState.PENDING
        waits.append(wait)
    assert all(base <= wait <= base * 1.2 for base, wait in zip(SCHEDULE_S, waits, strict=True))
    assert verdict(None, failed, len(SCHEDULE_S)) == (DeliveryState.FAILED, 0.0)


def test_a_delivery_can_be_sent_again_by_its_owner_only(
    sender: WebhookSender, database: Database, tenant: str, receiver: Receiver
) -> None:
    job = _finished_job(database, tenant, receiver.url)
    delivery = _after_attempt(sender, database, tenant, job, 1)
    with database.write() as session:
        stranger = keys.create_tenant(session, "stranger", new_secret())
    with pytest.raises(NotFound), database.write() as session:
        outbox.redeliver(session, stranger, delivery["id"])
    with database.write() as session:
        assert outbox.redeliver(session, tenant, delivery["id"])["state"] == "pending"
    again = _after_attempt(sender, database, tenant, job, 2)
    assert again["state"] == "delivered"
    assert receiver.received[0].body == receiver.received[1].body


def test_a_sender_that_dies_leaves_a_lease_and_two_senders_do_not_collide(database: Database, tenant: str) -> None:
    _finished_job(database, tenant, "http://receiver.example/hook")
    with database.write() as session:
        [first] = outbox.take_due(session, limit=9, per_host=4, busy={}, lease_ms=60_000)
    with database.write() as session:
        assert outbox.take_due(session, limit=9, per_host=4, busy={}, lease_ms=60_000) == []
    _make_due(database)
    with database.write() as session:
        [second] = outbox.take_due(session, limit=9, per_host=4, busy={}, lease_ms=60_000)
    with database.write() as session:
        sent = outbox.Attempt(200, 0.1)
        assert not outbox.record_attempt(session, first, sent, state=DeliveryState.DELIVERED)
        assert outbox.record_attempt(session, second, sent, state=DeliveryState.DELIVERED)
    with database.read() as session:
        assert session.scalars(select(Delivery.state)).one() == DeliveryState.DELIVERED


def test_a_silent_host_takes_its_share_and_no_more(database: Database, tenant: str) -> None:
    for _ in range(10):
        _finished_job(database, tenant, "http://silent.example/hook")
    _finished_job(database, tenant, "http://quick.example/hook")
    with database.write() as session:
        first = outbox.take_due(session, limit=32, per_host=4, busy={}, lease_ms=60_000)
    assert sorted(sent.host for sent in first) == ["quick.example"] + ["silent.example"] * 4
    with database.write() as session:
        assert outbox.take_due(session, limit=32, per_host=4, busy={"silent.example": 4}, lease_ms=60_000) == []
        more = outbox.take_due(session, limit=32, per_host=4, busy={"silent.example": 3}, lease_ms=60_000)
    assert [sent.host for sent in more] == ["silent.example"]
